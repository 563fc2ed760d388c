// A folder for the files of one test.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

/// A folder that is deleted, with its contents, at the end of the test.
struct Scratch {
  std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("retrace_test_" + std::to_string(getpid()));

  Scratch() { std::filesystem::create_directories(directory); }
  ~Scratch() { std::filesystem::remove_all(directory); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::filesystem::path write(const std::string& name, std::string_view bytes) const {
    std::ofstream(directory / name, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return directory / name;
  }
};

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Returns the message of the exception of type Error that `action` throws, or "" if it throws
/// none.
template <class Error, class Action>
std::string complaint(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}
