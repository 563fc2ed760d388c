#include "other_device.hpp"

#include <unistd.h>

#include <filesystem>
#include <stdexcept>

void become_program_for(const std::string& device, char** arguments) {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string name = self.filename().string();
  const std::filesystem::path program =
      self.parent_path() /
      (device == "cpu" ? name.substr(0, name.rfind('_')) : name + '_' + device);
  if (std::filesystem::exists(program)) execv(program.c_str(), arguments);
  const std::string where =
      device == "cpu" ? ": build it" : ", which is built where nvcc is found (RETRACE_CUDA=ON)";
  throw std::runtime_error("--device " + device + " needs " + program.string() + where);
}
