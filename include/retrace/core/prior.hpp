// The distributions of latents.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "retrace/core/isa.hpp"

namespace retrace {

/// The distribution of every element of a latent, independent of the others.
enum class Prior {
  normal,    ///< mean 0, variance 1
  logistic,  ///< mean 0, scale 1: heavier tails (Dinh et al. 2015, §5.1)
};

inline constexpr std::array<Prior, 2> all_priors{Prior::normal, Prior::logistic};

/// Returns "normal", as on a command line.
constexpr std::string_view name(Prior prior) {
  constexpr std::array<std::string_view, 2> names{"normal", "logistic"};
  return names[static_cast<std::size_t>(prior)];
}

}  // namespace retrace
