// The options of the command line of generate_text.
#pragma once

#include <filesystem>
#include <string>

#include "generation.hpp"

struct GenerateOptions {
  std::filesystem::path model;
  std::string prompt;
  SamplingOptions sampling;
  int threads = 0;
  bool no_cache = false, speed = false;
};

/// @throws HelpWanted if help is requested.
/// @throws std::invalid_argument if an option is unknown or has no valid value.
GenerateOptions parse_generate_options(int count, const char* const* arguments);
