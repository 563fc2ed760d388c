// Counts the bytes a device holds: what for, how many at the peak, and in which layer that was.
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

/// What a tensor is held for.
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

/// Bytes by use.
struct Bytes {
  std::array<std::size_t, 7> by_use{};

  std::size_t& operator[](Use use) { return by_use[static_cast<std::size_t>(use)]; }
  std::size_t operator[](Use use) const { return by_use[static_cast<std::size_t>(use)]; }
  std::size_t total() const { return std::accumulate(by_use.begin(), by_use.end(), std::size_t{}); }
  bool operator==(const Bytes&) const = default;
};

/// "123.4 MB" or "56 B": decimal units, as memory is sold.
inline std::string format_bytes(double bytes) {
  constexpr std::array<const char*, 5> units{" B", " kB", " MB", " GB", " TB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < units.size()) bytes /= 1000, ++unit;
  std::string digits = std::to_string(bytes);
  digits.resize(digits.find_first_of(".,") + (unit == 0 ? 0 : 2));
  return digits + units[unit];
}

/// A tensor was wanted that the limit of the meter, or the machine, has no room for.
class OutOfMemory : public std::runtime_error {
 public:
  OutOfMemory(std::string where, Use purpose, std::size_t bytes, Bytes live, std::size_t allowed)
      : std::runtime_error(message(where, purpose, bytes, live, allowed)),
        place(std::move(where)),
        use(purpose),
        wanted(bytes),
        held(live),
        limit(allowed) {}

  std::string place;   ///< the layer that wanted it, "level1.block0"
  Use use;             ///< what it was for
  std::size_t wanted;  ///< bytes
  Bytes held;          ///< bytes held at that moment
  std::size_t limit;   ///< bytes allowed, or MemoryMeter::unlimited if the machine refused

 private:
  static std::string message(const std::string& where, Use purpose, std::size_t bytes, Bytes live,
                             std::size_t allowed);
};

/// Counts the bytes of every tensor of a device, now and at the peak, by use, and refuses what
/// would pass a limit.
class MemoryMeter {
 public:
  static constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();

  /// @throws OutOfMemory, and counts nothing, if the total would pass the limit.
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
  /// The same bytes serve another purpose from now on: no byte more is held, so no peak and no
  /// limit is touched.
  void moved(Use from, Use to, std::size_t bytes) noexcept {
    live_[from] -= bytes;
    live_[to] += bytes;
  }

  const Bytes& live() const { return live_; }
  /// What was held when the most was held since the last restart.
  const Bytes& peak() const { return peak_; }
  /// The layer that was at work then: "level1.block0", or "" outside any chain.
  const std::string& peak_place() const { return peak_place_; }
  void restart_peak() {
    peak_ = live_;
    peak_total_ = total_;
    peak_place_ = place();
  }

  /// Takes peak and limit from a meter that was this one earlier; what is held now stays counted.
  void resume(const MemoryMeter& earlier) {
    peak_ = earlier.peak_;
    peak_total_ = earlier.peak_total_;
    peak_place_ = earlier.peak_place_;
    limit_ = earlier.limit_;
    if (total_ > peak_total_) restart_peak();
  }

  std::size_t limit() const { return limit_; }
  void set_limit(std::size_t bytes) { limit_ = bytes; }

  /// The layer at work now.
  std::string place() const {
    std::string joined;
    for (std::string_view part : path_) {
      if (!joined.empty()) joined += '.';
      joined += part;
    }
    return joined;
  }

  /// Names what is at work for as long as it lives. `name` must outlive it.
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
  std::string peak_place_;  // not views of names, which may be gone when it is asked for
};

inline std::string OutOfMemory::message(const std::string& where, Use purpose, std::size_t bytes,
                                        Bytes live, std::size_t allowed) {
  const auto number = [](std::size_t count) { return format_bytes(static_cast<double>(count)); };
  std::string text = (where.empty() ? "" : where + ": ") + "out of memory: " + number(bytes) +
                     " wanted for " + std::string(name(purpose)) + " while " +
                     number(live.total()) + " are held (";
  const char* comma = "";
  for (Use each : all_uses)
    if (live[each]) {
      text += comma + std::string(name(each)) + ' ' + number(live[each]);
      comma = ", ";
    }
  return text + (allowed == MemoryMeter::unlimited ? ") and the machine has no more"
                                                   : ") of a limit of " + number(allowed));
}

}  // namespace retrace::inline RETRACE_ISA
