// A folder with the latest checkpoints of a training run and the best one.
#pragma once

#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "retrace/train/checkpoint.hpp"

namespace retrace::inline RETRACE_ISA {

/// A folder that contains the checkpoints of the last two saves, such as
/// checkpoint-00001234.safetensors after step 1234, and best.safetensors. Only one process may use
/// it at a time. The operating system releases the lock when the process ends.
class CheckpointFolder {
 public:
  static constexpr std::size_t kept = 2;

  /// Creates the folder if it does not exist, and removes incomplete files of a killed process.
  /// @throws std::system_error if the folder cannot be created or written to.
  /// @throws std::runtime_error if another process uses the folder.
  explicit CheckpointFolder(std::filesystem::path folder)
      : folder_(std::move(folder)), lock_(opened(folder_)) {
    if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      throw std::runtime_error(folder_.string() + " is in use by another training");
    DurableFile probe(folder_ / "probe");  // never committed
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      if (entry.path().extension() == ".tmp") std::filesystem::remove(entry.path(), ignored);
  }

  std::filesystem::path path_of(std::size_t step) const {
    const std::string digits = std::to_string(step);
    const std::string zeros(digits.size() < 8 ? 8 - digits.size() : 0, '0');
    return folder_ / ("checkpoint-" + zeros + digits + ".safetensors");
  }
  std::filesystem::path best() const { return folder_ / "best.safetensors"; }

  /// Returns the steps of the checkpoints, newest first.
  std::vector<std::size_t> steps() const {
    std::vector<std::size_t> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      if (const auto step = step_of(entry.path())) found.push_back(*step);
    std::sort(found.rbegin(), found.rend());
    return found;
  }

  /// Writes a checkpoint, and then removes all but the last two.
  /// @throws as write_checkpoint does. Existing checkpoints remain in that case.
  template <class T, Device D>
  void save(std::size_t step, const ParameterList<T, D>& list, const CheckpointMetadata& metadata) {
    write_checkpoint(path_of(step), list, metadata);
    const std::vector<std::size_t> all = steps();
    for (std::size_t i = kept; i < all.size(); ++i) std::filesystem::remove(path_of(all[i]));
  }

  /// The newest valid checkpoint, and the faults of newer ones.
  struct Newest {
    std::optional<Checkpoint> checkpoint;  ///< std::nullopt if the folder has none
    std::vector<std::string> damaged;
  };

  /// Returns the newest valid checkpoint. Renames damaged ones to *.damaged, so that they are
  /// ignored from then on but not lost.
  /// @throws DataError if there are checkpoints but none is valid.
  Newest newest() const {
    Newest result;
    for (std::size_t step : steps()) try {
        result.checkpoint.emplace(path_of(step));
        break;
      } catch (const DataError& error) {
        result.damaged.emplace_back(error.what());
      }
    if (!result.checkpoint && !result.damaged.empty())
      throw DataError("no checkpoint in " + folder_.string() +
                      " can be used: " + result.damaged.front());
    const std::vector<std::size_t> all = steps();
    for (std::size_t i = 0; i < result.damaged.size(); ++i) {
      const std::filesystem::path path = path_of(all[i]);
      std::filesystem::rename(path, path.string() + ".damaged");
    }
    return result;
  }

 private:
  static Descriptor opened(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw std::system_error(error, folder.string() + " cannot be made");
    return {folder, O_RDONLY | O_DIRECTORY};
  }

  std::optional<std::size_t> step_of(const std::filesystem::path& path) const {
    constexpr std::string_view before = "checkpoint-";
    const std::string name = path.filename().string();
    std::size_t step = 0;
    if (!name.starts_with(before)) return {};
    std::from_chars(name.data() + before.size(), name.data() + name.size(), step);
    if (path_of(step).filename() != name) return {};
    return step;
  }

  std::filesystem::path folder_;
  Descriptor lock_;
};

}  // namespace retrace::inline RETRACE_ISA
