// How an operation stores its result.
#pragma once

namespace retrace {

/// Sets the target, adds to it or subtracts from it. Identical for every instruction set, so
/// compiled kernels can take it.
enum class Store { set, add, subtract };

}  // namespace retrace
