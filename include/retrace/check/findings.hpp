// The errors found by a check.
#pragma once

#include <cstddef>
#include <cstdio>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::contract {

/// One sentence per broken promise; empty if there is none. A test in any framework can require
/// `findings == ""`, and prints the findings if it fails.
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
  /// Adds each finding as "where: finding".
  void add(const std::string& where, const Findings& found) {
    const std::string start = where + ": ";
    for (const std::string& finding : found.list_) add(start + finding);
  }

  /// Returns one finding per line.
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

/// Returns a number with 3 digits.
inline std::string text(double number) {
  std::string digits(32, '\0');
  const int length = std::snprintf(digits.data(), digits.size(), "%.3g", number);
  digits.resize(static_cast<std::size_t>(length));
  return digits;
}

/// Returns a finding if a distance in roundings is NaN or larger than allowed.
inline Findings too_far(const std::string& what, double distance, double allowed) {
  Findings found;
  if (!(distance <= allowed))
    found.add(what + " is off by " + text(distance) + " roundings but must be within " +
              text(allowed));
  return found;
}

}  // namespace retrace::inline RETRACE_ISA::contract
