// Branches that are sequences of stages.
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include "retrace/cpu/elementwise.hpp"
#include "retrace/net/branch.hpp"

namespace retrace::test {

/// Returns a branch of the stages in order, named "conv0", "conv1", and so on.
template <class... Stages>
auto branch_of(Stages... stages) {
  using First = std::tuple_element_t<0, std::tuple<Stages...>>;
  using T = typename First::Gradient::Element;
  Branch<T, Cpu> branch;
  int index = 0;
  (branch.add("conv" + std::to_string(index++), std::move(stages)), ...);
  return branch;
}

}  // namespace retrace::test
