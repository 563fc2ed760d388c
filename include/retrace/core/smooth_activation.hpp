// Activations with continuous derivatives.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// With σ(x) = 1/(1 + exp(−x)):
///
///   tanh      tanh x
///   elu       x if x > 0, exp(x) − 1 otherwise (Clevert et al. 2016)
///   lipswish  x·σ(x)/1.1, whose derivative is at most 1 (Chen et al. 2019, §3.3, with β = 1)
///
/// The Lipschitz constant of each is at most 1.
enum class SmoothActivation { tanh, elu, lipswish };

inline constexpr std::array<SmoothActivation, 3> all_smooth_activations{
    SmoothActivation::tanh, SmoothActivation::elu, SmoothActivation::lipswish};

/// "lipswish", as on a command line.
constexpr std::string_view name(SmoothActivation activation) {
  constexpr std::array<std::string_view, 3> names{"tanh", "elu", "lipswish"};
  return names[static_cast<std::size_t>(activation)];
}

}  // namespace retrace::inline RETRACE_ISA
