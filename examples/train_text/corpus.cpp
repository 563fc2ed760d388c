#include "corpus.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "retrace/core/error.hpp"
#include "retrace/train/crc64.hpp"
#include "retrace/train/durable_file.hpp"

namespace fs = std::filesystem;

namespace {

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  const auto hidden = [](const fs::path& path) {
    return path.filename().string().starts_with(".");
  };
  for (auto entry = fs::recursive_directory_iterator(folder);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (hidden(entry->path())) {
      if (entry->is_directory()) entry.disable_recursion_pending();
    } else if (entry->is_regular_file()) {
      files.push_back(entry->path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Corpus::Corpus(const fs::path& path) : name_(path.string()) {
  if (!fs::exists(path)) throw retrace::DataError("--data " + name_ + " does not exist");
  if (fs::is_directory(path)) {
    const std::vector<fs::path> files = files_below(path);
    if (files.empty()) throw retrace::DataError("--data " + name_ + " is a folder without files");
    for (const fs::path& file : files) add(file);
  } else {
    add(path);
  }
  if (size() == 0)
    throw retrace::DataError("--data " + name_ +
                             (fs::is_directory(path) ? " has only empty files" : " is empty"));
}

Corpus::~Corpus() {
  for (const Mapped& file : files_)
    ::munmap(const_cast<std::uint8_t*>(file.bytes),
             static_cast<std::size_t>(file.end - file.first));
}

void Corpus::add(const fs::path& path) {
  const retrace::Descriptor file(path, O_RDONLY);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0)
    throw std::system_error(errno, std::generic_category(), path.string());
  if (!S_ISREG(status.st_mode))
    throw retrace::DataError("--data " + path.string() + " is neither a file nor a folder");
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  if (bytes == 0) return;
  void* memory =
      ::mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (memory == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(), path.string() + " cannot be mapped");
  const std::uint64_t first = size();
  files_.push_back(
      {path.filename().string(), static_cast<const std::uint8_t*>(memory), first, first + bytes});
}

void Corpus::read(std::uint64_t first, std::span<std::uint8_t> bytes) const {
  auto file = std::upper_bound(files_.begin(), files_.end(), first,
                               [](std::uint64_t at, const Mapped& each) { return at < each.end; });
  while (!bytes.empty()) {
    const std::uint64_t count = std::min<std::uint64_t>(bytes.size(), file->end - first);
    std::memcpy(bytes.data(), file->bytes + (first - file->first), static_cast<std::size_t>(count));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    first += count;
    ++file;
  }
}

std::string Corpus::checksum() const {
  retrace::Crc64 checksum;
  for (const Mapped& file : files_) {
    const std::string line = file.name + ' ' + std::to_string(file.end - file.first) + '\n';
    checksum.add(std::as_bytes(std::span(line)));
  }
  constexpr std::uint64_t places = 16, sample = 1 << 16;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(std::min(sample, size())));
  for (std::uint64_t place = 0; place < places; ++place) {
    read((size() - bytes.size()) / (places - 1) * place, bytes);
    checksum.add(std::as_bytes(std::span(bytes)));
  }
  return checksum.digits();
}
