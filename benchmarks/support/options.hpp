// Options that several benchmarks share: the device, and the size of a network.
#pragma once

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "device.hpp"
#include "other_device.hpp"
#include "retrace/net/architectures.hpp"

namespace benchmark {

inline void add_device_option(CLI::App& app, std::string& device) {
  device = device_kind;
  app.add_option("--device", device, "cpu (default), or cuda for an NVIDIA GPU")
      ->type_name("NAME")
      ->check(CLI::IsMember({"cpu", "cuda"}));
}

/// Switches to the program for that device, which may be another one, and returns in it.
/// @param of_processors  options that do not apply to a GPU
/// @throws std::invalid_argument if one of them is given with a GPU.
/// @throws std::runtime_error if there is no program for that device.
inline void choose_device(const CLI::App& app, const std::string& device, char** arguments,
                          std::initializer_list<const char*> of_processors) {
  for (const std::string option : of_processors)
    if (device != "cpu" && app.count(option) > 0)
      throw std::invalid_argument(option + " requires --device cpu");
  if (device != device_kind) become_program_for(device, arguments);
}

inline void add_size_options(CLI::App& app, retrace::NetOptions& net) {
  app.add_option("--channels", net.channels,
                 "Comma-separated, one per level (default: the paper's)")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000))
      ->type_name("C,...");
  app.add_option("--blocks", net.blocks, "Comma-separated, one per level (default: the paper's)")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000))
      ->type_name("B,...");
}

}  // namespace benchmark
