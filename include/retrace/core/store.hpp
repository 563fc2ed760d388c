// What an operation does with the value it computes.
#pragma once

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

enum class Store { set, add, subtract };

}  // namespace retrace::inline RETRACE_ISA
