// The scale of a fixed-point state and the handling of overflows.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "retrace/core/isa.hpp"
#include "retrace/math/fixed_point.hpp"

namespace retrace::inline RETRACE_ISA {

/// Thrown if a value or a sum exceeds the range of a fixed-point state.
struct StreamOverflow : std::runtime_error {
  StreamOverflow(const std::string& message, bool has_lowered)
      : std::runtime_error(message), lowered(has_lowered) {}

  bool lowered;  ///< the stream now has one fraction bit less, so the next pass may succeed
};

enum class OnOverflow {
  refuse,  ///< throws StreamOverflow
  lower,   ///< throws StreamOverflow, and uses one fraction bit less from then on
  count,   ///< continues, with changed values: conversions saturate; sums wrap and stay invertible
};

/// The scale of a state q = round(x·2^b), which all layers of an exact stream share.
struct StreamFormat {
  explicit StreamFormat(int most_bits = 0) : most_fraction_bits(most_bits) {}

  int most_fraction_bits;  ///< largest number that the element allows
  int fraction_bits = 0;   ///< b; unused by floating-point elements
  bool chosen = false;     ///< whether b is set; otherwise the next pass chooses b from its batch
  OnOverflow on_overflow = OnOverflow::refuse;
  Index overflows = 0;  ///< counted so far

  double step() const { return std::ldexp(1.0, -fraction_bits); }

  /// @throws std::invalid_argument unless 0 <= bits <= most_fraction_bits.
  void choose(int bits) {
    if (bits < 0 || bits > most_fraction_bits)
      throw std::invalid_argument("fixed point of " + std::to_string(most_fraction_bits + 2) +
                                  " bits has 0 to " + std::to_string(most_fraction_bits) +
                                  " fraction bits, not " + std::to_string(bits));
    fraction_bits = bits;
    chosen = true;
  }
  /// Returns b, or −1 if b is not chosen. Checkpoints store this number.
  std::int64_t get() const { return chosen ? fraction_bits : -1; }
  void set(std::int64_t bits) {
    chosen = bits != -1;
    if (chosen) choose(static_cast<int>(bits));
  }

  /// Counts the overflows of a pass that adds.
  /// @throws StreamOverflow if there are overflows, unless they are only counted. The message names
  ///         the layer.
  /// @throws std::domain_error if there is a NaN or an infinity.
  void settle(const std::string& place, const math::RoundingCounts<Index>& counts) {
    const std::string where = place.empty() ? "" : place + ": ";
    if (counts.nonfinite > 0)
      throw std::domain_error(where + std::to_string(counts.nonfinite) +
                              " values that enter a fixed-point stream are NaN or infinite");
    overflows += counts.overflows;
    if (counts.overflows == 0 || on_overflow == OnOverflow::count) return;
    const std::string bits = std::to_string(fraction_bits) + " fraction bits";
    const bool lowered = on_overflow == OnOverflow::lower && fraction_bits > 0;
    if (lowered) --fraction_bits;
    throw StreamOverflow(
        where + std::to_string(counts.overflows) +
            " values left the range of a fixed-point stream of " + bits +
            (lowered ? "; it has one less from now on" : ": take fewer, or a wider element"),
        lowered);
  }
};

using SharedStreamFormat = std::shared_ptr<StreamFormat>;

}  // namespace retrace::inline RETRACE_ISA
