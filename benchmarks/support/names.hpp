// Networks by the names that a command line gives them, and the name of the target.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "retrace/net/architectures.hpp"

namespace benchmark {

/// @throws std::invalid_argument if no network has that name.
inline retrace::Architecture architecture(std::string_view text) {
  std::string names;
  for (retrace::Architecture each : retrace::all_architectures) {
    if (retrace::name(each) == text) return each;
    names += (names.empty() ? "" : ", ") + std::string(retrace::name(each));
  }
  throw std::invalid_argument("there is no network '" + std::string(text) + "', only " + names);
}

/// "avx2": what this program is compiled for.
inline std::string_view instruction_set() {
  constexpr auto text = [](auto name) { return std::string_view(name); };
#define RETRACE_TEXT(name) #name
#define RETRACE_TEXT_OF(name) RETRACE_TEXT(name)
  return text(RETRACE_TEXT_OF(RETRACE_ISA));
#undef RETRACE_TEXT
#undef RETRACE_TEXT_OF
}

}  // namespace benchmark
