// Writes one JSON object a line for every step.
#pragma once

#include <fstream>

#include "options.hpp"
#include "trainer.hpp"

class JsonLog {
 public:
  /// @throws std::runtime_error if the file cannot be written.
  explicit JsonLog(const std::filesystem::path& path);

  void write(const StepReport& report, const Options& options, const Data& data);

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};
