// Writes a file atomically and durably.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// An open file descriptor of a file or folder.
class Descriptor {
 public:
  /// @param flags  the flags of open(2)
  /// @throws std::system_error "weights: Permission denied".
  Descriptor(const std::filesystem::path& path, int flags)
      : path_(path.string()), number_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (number_ < 0) fail();
  }
  Descriptor(Descriptor&& other) noexcept
      : path_(std::move(other.path_)), number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  int number() const { return number_; }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(number_, bytes.data(), bytes.size());
      if (written >= 0)
        bytes = bytes.subspan(static_cast<std::size_t>(written));
      else if (errno != EINTR)
        fail();
    }
  }
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Waits until all written data is on the disk.
  void sync() {
    if (::fsync(number_) != 0) fail();
  }

 private:
  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), path_); }

  std::string path_;
  int number_;
};

/// A file that replaces `path` atomically. Until commit(), an existing file at `path` does not
/// change. After commit(), the new file is on the disk, even if the machine loses power. Data is
/// first written to `path`.tmp, which the destructor removes if commit() was not called.
///
/// Every member throws std::system_error "DIR/weights.tmp: No space left on device".
class DurableFile {
 public:
  explicit DurableFile(std::filesystem::path path)
      : path_(std::move(path)),
        temporary_(path_.string() + ".tmp"),
        file_(temporary_, O_WRONLY | O_CREAT | O_TRUNC) {}
  ~DurableFile() {
    if (!committed_) ::unlink(temporary_.c_str());
  }
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  void write(std::span<const std::byte> bytes) { file_.write(bytes); }
  void write(std::string_view text) { file_.write(text); }

  void commit() {
    file_.sync();
    std::filesystem::rename(temporary_, path_);
    committed_ = true;
    const std::filesystem::path folder = path_.parent_path();
    Descriptor(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY).sync();
  }

 private:
  std::filesystem::path path_, temporary_;
  Descriptor file_;
  bool committed_ = false;
};

}  // namespace retrace::inline RETRACE_ISA
