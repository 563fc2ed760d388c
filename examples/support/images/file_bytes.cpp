#include "file_bytes.hpp"

#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>

#include "retrace/core/error.hpp"

using retrace::DataError;

namespace {

void require_at_most(const std::filesystem::path& path, std::uintmax_t bytes, std::uintmax_t most) {
  if (bytes > most)
    throw DataError(path.string() + ": has " + std::to_string(bytes) +
                    " bytes, but must have at most " + std::to_string(most));
}

/// Throws that a file cannot be read, or that there is none: it may have gone since it was found.
[[noreturn]] void refuse_unreadable(const std::filesystem::path& path) {
  std::error_code ignored;
  const bool there = std::filesystem::exists(path, ignored);
  throw DataError(path.string() + (there ? ": cannot be read" : ": there is no such file"));
}

}  // namespace

std::uintmax_t bytes_of_file(const std::filesystem::path& path) {
  const std::string name = path.string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) refuse_unreadable(path);
  if (!std::filesystem::is_regular_file(status)) throw DataError(name + ": is not a file");
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) refuse_unreadable(path);
  if (bytes == 0) throw DataError(name + ": is empty");
  return bytes;
}

FileBytes read_file(const std::filesystem::path& path, std::uintmax_t most) {
  const std::uintmax_t bytes = bytes_of_file(path);
  require_at_most(path, bytes, most);
  FileBytes content(bytes);
  std::ifstream file(path, std::ios::binary);
  if (!file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(bytes)))
    refuse_unreadable(path);
  return content;
}

FileBytes read_gzip_file(const std::filesystem::path& path, std::uintmax_t most) {
  constexpr std::size_t at_once = 1 << 20;
  const std::uintmax_t compressed = bytes_of_file(path);
  const std::unique_ptr<gzFile_s, decltype(&gzclose)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file) refuse_unreadable(path);
  FileBytes content;
  for (std::size_t size = 0;;) {
    content.resize(size + at_once);
    const int read = gzread(file.get(), content.data() + size, at_once);
    int status = Z_OK;
    const char* const message = gzerror(file.get(), &status);
    if (read < 0 || status == Z_BUF_ERROR)
      throw DataError(path.string() + ": its compressed data is damaged or cut off" +
                      (read < 0 ? " (" + std::string(message) + ")" : ""));
    size += static_cast<std::size_t>(read);
    require_at_most(path, size, std::min(most, compressed * largest_expansion));
    if (read == 0) {
      content.resize(size);
      return content;
    }
  }
}
