// The networks in float on a GPU, compiled once for all programs like those of the host in
// float_networks.hpp.
#pragma once

#include "compiled_networks.hpp"
#include "retrace/cuda.hpp"

namespace retrace::inline RETRACE_ISA {
RETRACE_COMPILED_NETWORKS(extern, float, Cuda)
}  // namespace retrace::inline RETRACE_ISA
