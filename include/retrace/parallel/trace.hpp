// A record of what a rank did when, for chrome://tracing or ui.perfetto.dev.
#pragma once

#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// Collects named intervals in rows. to_json() gives them in Chrome's trace format; each rank is a
/// process of its own there.
class Trace {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Row { layers, sums, waits };

  /// Times count from here on.
  Trace() : start_(Clock::now()) {}

  void add(std::string name, Row row, Clock::time_point begin, Clock::time_point end) {
    const std::lock_guard lock(mutex_);
    events_.push_back({std::move(name), row, begin, end});
  }

  /// Returns an observer for Chain::observe that records the time of each layer in each pass.
  auto observer() {
    return [this, last = Clock::now(), pass = -1](const auto& visit) mutable {
      const auto now = Clock::now();
      if (const int present = static_cast<int>(visit.pass); pass != present) {
        pass = present;  // the time since the last visit also has what lies between passes
      } else {
        add((pass == 0 ? "forward " : "backward ") + visit.layer, Row::layers, last, now);
      }
      last = now;
    };
  }

  /// Returns the events of this rank, separated by commas.
  std::string events(int rank) const {
    const std::lock_guard lock(mutex_);
    std::string text;
    for (int row = 0; row < 3; ++row) {
      constexpr const char* names[] = {"layers", "sums", "waits"};
      text += std::string(row == 0 ? "" : ",\n") + R"({"name":"thread_name","ph":"M","pid":)" +
              std::to_string(rank) + R"(,"tid":)" + std::to_string(row) + R"(,"args":{"name":")" +
              names[row] + "\"}}";
    }
    for (const Event& event : events_) {
      char times[96];
      std::snprintf(times, sizeof times, R"("ts":%.3f,"dur":%.3f})",
                    microseconds(event.begin - start_), microseconds(event.end - event.begin));
      text += ",\n{\"name\":\"" + event.name + R"(","ph":"X","pid":)" + std::to_string(rank) +
              R"(,"tid":)" + std::to_string(static_cast<int>(event.row)) + ',' + times;
    }
    return text;
  }

  std::string to_json(int rank = 0) const {
    return "{\"traceEvents\":[\n" + events(rank) + "\n]}\n";
  }

 private:
  struct Event {
    std::string name;
    Row row;
    Clock::time_point begin, end;
  };
  static double microseconds(Clock::duration duration) {
    return std::chrono::duration<double, std::micro>(duration).count();
  }

  Clock::time_point start_;
  mutable std::mutex mutex_;
  std::vector<Event> events_;
};

}  // namespace retrace::inline RETRACE_ISA
