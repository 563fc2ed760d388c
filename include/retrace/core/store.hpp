// What an operation does with the value it computes.
#pragma once

namespace retrace {

/// Without functions, it is the same for every instruction set, and compiled kernels take it.
enum class Store { set, add, subtract };

}  // namespace retrace
