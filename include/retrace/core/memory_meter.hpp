// Counts the bytes that a device holds by use, and records the peak and the layer that reached it.
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// The purpose of a tensor.
enum class Use { activation, gradient, stash, parameter, parameter_gradient, optimizer, workspace };

inline constexpr std::array<Use, 7> all_uses{
    Use::activation,         Use::gradient,  Use::stash,    Use::parameter,
    Use::parameter_gradient, Use::optimizer, Use::workspace};

constexpr std::string_view name(Use use) {
  constexpr std::array<std::string_view, 7> names{"activation", "gradient",           "stash",
                                                  "parameter",  "parameter_gradient", "optimizer",
                                                  "workspace"};
  return names[static_cast<std::size_t>(use)];
}

/// Bytes per use.
struct Bytes {
  std::array<std::size_t, 7> by_use{};

  std::size_t& operator[](Use use) { return by_use[static_cast<std::size_t>(use)]; }
  std::size_t operator[](Use use) const { return by_use[static_cast<std::size_t>(use)]; }
  std::size_t total() const { return std::accumulate(by_use.begin(), by_use.end(), std::size_t{}); }
  bool operator==(const Bytes&) const = default;
};

/// Formats bytes as "123.4 MB" or "56 B", in decimal units.
inline std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> units{" B", " kB", " MB", " GB", " TB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < units.size()) bytes /= 1000, ++unit;
  std::string digits = std::to_string(bytes);
  digits.resize(digits.find_first_of(".,") + (unit == 0 ? 0 : 2));
  return digits + units[unit];
}

/// Thrown if a tensor does not fit within the meter's limit or the machine's memory.
class OutOfMemory : public std::runtime_error {
 public:
  OutOfMemory(std::string where, Use purpose, std::size_t bytes, Bytes live, std::size_t allowed)
      : std::runtime_error(message(where, purpose, bytes, live, allowed)),
        place(std::move(where)),
        use(purpose),
        wanted(bytes),
        held(live),
        limit(allowed) {}

  std::string place;   ///< the current layer, "level1.block0"
  Use use;             ///< the purpose of the tensor
  std::size_t wanted;  ///< bytes requested
  Bytes held;          ///< bytes held at that time
  std::size_t limit;   ///< the meter's limit, or MemoryMeter::unlimited if the machine refused

 private:
  static std::string message(const std::string& where, Use purpose, std::size_t bytes, Bytes live,
                             std::size_t allowed);
};

/// Counts the bytes of every tensor of a device by use, now and at the peak. Refuses allocations
/// that would exceed a limit.
class MemoryMeter {
 public:
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  /// Counts an allocation.
  /// @throws OutOfMemory, and counts nothing, if the total would exceed the limit.
  void allocated(Use use, std::size_t bytes) {
    if (bytes > limit_ || total_ > limit_ - bytes)
      throw OutOfMemory(place(), use, bytes, live_, limit_);
    live_[use] += bytes;
    total_ += bytes;
    if (total_ > peak_total_) {
      peak_total_ = total_;
      peak_ = live_;
      peak_place_ = place();
    }
  }
  void released(Use use, std::size_t bytes) noexcept {
    live_[use] -= bytes;
    total_ -= bytes;
  }
  /// Counts bytes under another use. The total does not change, so neither peak nor limit is
  /// affected.
  void moved(Use from, Use to, std::size_t bytes) noexcept {
    live_[from] -= bytes;
    live_[to] += bytes;
  }

  const Bytes& live() const { return live_; }
  /// The bytes held at the peak since the last restart.
  const Bytes& peak() const { return peak_; }
  /// The layer that was running at the peak: "level1.block0", or "" outside any chain.
  const std::string& peak_place() const { return peak_place_; }
  void restart_peak() {
    peak_ = live_;
    peak_total_ = total_;
    peak_place_ = place();
  }

  /// Restores peak and limit from an earlier copy of this meter; current bytes stay counted.
  void resume(const MemoryMeter& earlier) {
    peak_ = earlier.peak_;
    peak_total_ = earlier.peak_total_;
    peak_place_ = earlier.peak_place_;
    limit_ = earlier.limit_;
    if (total_ > peak_total_) restart_peak();
  }

  std::size_t limit() const { return limit_; }
  void set_limit(std::size_t bytes) { limit_ = bytes; }

  /// The current layer.
  std::string place() const {
    std::string joined;
    for (std::string_view part : path_) {
      if (!joined.empty()) joined += '.';
      joined += part;
    }
    return joined;
  }

  /// Scope guard that names the current part of a network. `name` must outlive it.
  class Place {
   public:
    Place(MemoryMeter& meter, std::string_view name) : meter_(meter) {
      meter_.path_.push_back(name);
    }
    ~Place() { meter_.path_.pop_back(); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    MemoryMeter& meter_;
  };

 private:
  Bytes live_, peak_;
  std::size_t total_ = 0, peak_total_ = 0, limit_ = unlimited;
  std::vector<std::string_view> path_;
  std::string peak_place_;  // a copy: the names may be destroyed before it is read
};

inline std::string OutOfMemory::message(const std::string& where, Use purpose, std::size_t bytes,
                                        Bytes live, std::size_t allowed) {
  const auto number = [](std::size_t count) { return format_bytes(static_cast<double>(count)); };
  std::string text = (where.empty() ? "" : where + ": ") + "out of memory: cannot allocate " +
                     number(bytes) + " for " + std::string(name(purpose)) + ": " +
                     number(live.total()) + " are in use (";
  const char* comma = "";
  for (Use each : all_uses)
    if (live[each]) {
      text += comma + std::string(name(each)) + ' ' + number(live[each]);
      comma = ", ";
    }
  return text + (allowed == MemoryMeter::unlimited ? ") and the machine has no more"
                                                   : ") and the limit is " + number(allowed));
}

}  // namespace retrace::inline RETRACE_ISA
