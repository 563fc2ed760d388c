// Files that results are written to.
#pragma once

#include <fstream>
#include <ios>
#include <stdexcept>
#include <string>

namespace benchmark {

/// Opens a file for writing, unless its name is empty or "-", so that a wrong name is found before
/// the work and not after it.
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
