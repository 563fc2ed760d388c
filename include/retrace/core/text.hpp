// Numbers in messages.
#pragma once

#include <array>
#include <cstdio>
#include <string>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// Formats a number with up to six digits: "0.1", "3.5e-17".
inline std::string short_text(double value) {
  std::array<char, 32> digits{};
  std::snprintf(digits.data(), digits.size(), "%.6g", value);
  return digits.data();
}

}  // namespace retrace::inline RETRACE_ISA
