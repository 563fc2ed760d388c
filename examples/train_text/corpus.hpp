// The bytes of a file or of all files of a folder, mapped into memory.
//
//     const Corpus corpus("books/");
//     corpus.read(1000, bytes);          // bytes 1000 to 1000 + bytes.size()
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

/// Files one after the other, in the order of their paths. The operating system reads what is used
/// and drops it again, so they may be larger than the machine's memory.
class Corpus {
 public:
  /// @param path  a file, or a folder whose files are read, those of its folders too, except hidden
  ///              ones
  /// @throws retrace::DataError if there is no such path, a folder has no files, or all are empty.
  /// @throws std::system_error if a file cannot be mapped.
  explicit Corpus(const std::filesystem::path& path);
  ~Corpus();
  Corpus(const Corpus&) = delete;
  Corpus& operator=(const Corpus&) = delete;

  std::uint64_t size() const { return files_.empty() ? 0 : files_.back().end; }
  std::size_t files() const { return files_.size(); }
  /// Returns the name for messages.
  const std::string& name() const { return name_; }

  /// Copies the bytes from a place on.
  /// @pre first + bytes.size() <= size()
  void read(std::uint64_t first, std::span<std::uint8_t> bytes) const;

  /// Returns a checksum of the names and sizes of all files, and of up to a megabyte at 16 places.
  std::string checksum() const;

 private:
  struct Mapped {
    std::string name;
    const std::uint8_t* bytes;
    std::uint64_t first, end;  ///< places of its bytes in the corpus
  };
  void add(const std::filesystem::path& file);

  std::string name_;
  std::vector<Mapped> files_;
};
