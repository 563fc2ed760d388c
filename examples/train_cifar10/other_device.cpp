#include "other_device.hpp"

#include <unistd.h>

#include <filesystem>
#include <stdexcept>

void become_program_for(const std::string& device, char** arguments) {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  const std::filesystem::path program =
      self.parent_path() / (device == "cpu" ? "train_cifar10" : "train_cifar10_" + device);
  if (std::filesystem::exists(program)) execv(program.c_str(), arguments);
  throw std::runtime_error("--device " + device + " needs " + program.string() +
                           ", which is built where nvcc is found (RETRACE_CUDA=ON)");
}
