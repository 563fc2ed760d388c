// What a check has found wrong.
#pragma once

#include <cstddef>
#include <cstdio>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::check {

/// One sentence for every promise that is not kept; empty if all are. A test of any framework may
/// require `findings == ""`, and prints them where they are not.
class Findings {
 public:
  bool empty() const { return list_.empty(); }
  std::size_t size() const { return list_.size(); }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }

  void add(std::string finding) { list_.push_back(std::move(finding)); }
  void add(Findings found) {
    for (std::string& finding : found.list_) add(std::move(finding));
  }
  /// Each as "where: finding".
  void add(const std::string& where, const Findings& found) {
    const std::string start = where + ": ";
    for (const std::string& finding : found.list_) add(start + finding);
  }

  /// One a line.
  std::string text() const {
    std::string lines;
    for (const std::string& finding : list_) lines += finding + '\n';
    return lines;
  }

  friend bool operator==(const Findings& findings, std::string_view text) {
    return findings.text() == text;
  }
  friend std::ostream& operator<<(std::ostream& out, const Findings& findings) {
    return out << findings.text();
  }

 private:
  std::vector<std::string> list_;
};

/// 3 digits of a number.
inline std::string text(double number) {
  std::string digits(32, '\0');
  const int length = std::snprintf(digits.data(), digits.size(), "%.3g", number);
  digits.resize(static_cast<std::size_t>(length));
  return digits;
}

/// A distance in roundings that is larger than allowed, or is no number.
inline Findings too_far(const std::string& what, double distance, double allowed) {
  Findings found;
  if (!(distance <= allowed))
    found.add(what + " is off by " + text(distance) + " roundings, allowed are " + text(allowed));
  return found;
}

}  // namespace retrace::inline RETRACE_ISA::check
