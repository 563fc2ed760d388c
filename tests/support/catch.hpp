// Catch2, version 2.13 or 3.
#pragma once

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>  // declares Approx in the global namespace
#endif

/// Matches a message that contains `part`: REQUIRE_THROWS_WITH(f(), containing("2x8x8x8")).
/// Matchers combine with && and ||.
inline auto containing(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}
