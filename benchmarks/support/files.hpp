// Output files for results.
#pragma once

#include <fstream>
#include <ios>
#include <stdexcept>
#include <string>

namespace benchmark {

/// Opens a file for writing unless its name is empty or "-". Called before the work, so that a
/// wrong name is found early.
inline std::ofstream create(const std::string& path) {
  std::ofstream file;
  file.exceptions(std::ios::failbit | std::ios::badbit);
  try {
    if (!path.empty() && path != "-") file.open(path);
  } catch (const std::ios::failure&) {
    throw std::runtime_error("cannot write " + path);
  }
  return file;
}

}  // namespace benchmark
