// Parameters that training leaves as they are, chosen by name.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "retrace/layer/parameter_list.hpp"

namespace retrace::inline RETRACE_ISA {

/// The statistics that a frozen normalisation uses in training.
enum class Averages {
  held,   ///< its running averages, which do not change: the layer is a fixed function of x
  moving  ///< the statistics of the batch, which the running averages follow
};

/// Whether a pattern names a parameter or a layer that it is in: "stem" names "stem" and
/// "stem.weight"; in "level1.*.f", * stands for any characters.
inline bool matches(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty() || name.front() == '.';
  if (pattern.front() == '*') {
    for (std::size_t skipped = 0; skipped <= name.size(); ++skipped)
      if (matches(pattern.substr(1), name.substr(skipped))) return true;
    return false;
  }
  return !name.empty() && name.front() == pattern.front() &&
         matches(pattern.substr(1), name.substr(1));
}

/// Freezes or unfreezes all parameters whose names match the pattern, and holds or releases the
/// running averages of the normalisations that it names.
/// @throws std::invalid_argument if it matches none.
template <class T, Device D>
void set_frozen(ParameterList<T, D>& list, std::string_view pattern, bool frozen,
                Averages averages) {
  bool found = false;
  for (auto& [name, parameter] : list.parameters)
    if (matches(pattern, name)) {
      frozen ? parameter->freeze() : parameter->unfreeze();
      found = true;
    }
  for (auto& named : list.statistics)
    if (matches(pattern, named.name)) named.statistics->hold(frozen && averages == Averages::held);
  if (!found)
    throw std::invalid_argument("no parameter is called '" + std::string(pattern) +
                                "'; the first of " + std::to_string(list.parameters.size()) +
                                " is '" + (list.parameters.empty() ? "" : list.parameters[0].name) +
                                "'");
}

}  // namespace retrace::inline RETRACE_ISA
