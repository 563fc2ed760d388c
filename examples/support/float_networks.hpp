// The networks in float on the host, and its convolutions, compiled once for all programs.
#pragma once

#include "compiled_networks.hpp"
#include "retrace/retrace.hpp"

// clang-format off
#define RETRACE_FLOAT_CONVOLUTIONS(prefix)                                                        \
  prefix template void cpu::convolve<float>(View<float, Cpu>, View<const float, Cpu>,             \
                                            View<const float, Cpu>, Index,                        \
                                            const NormActivation<float, Cpu>*, Store,             \
                                            cpu::PixelReader*);                                   \
  prefix template void cpu::convolve_gradient<float>(View<float, Cpu>, View<const float, Cpu>,    \
                                                     View<const float, Cpu>, Index, Store,        \
                                                     cpu::PixelReader*);                          \
  prefix template void conv2d_weight_gradient<float>(View<float, Cpu>, View<const float, Cpu>,    \
                                                     View<const float, Cpu>, Index,               \
                                                     const NormActivation<float, Cpu>*);
// clang-format on

namespace retrace::inline RETRACE_ISA {
RETRACE_COMPILED_NETWORKS(extern, float, Cpu)
RETRACE_FLOAT_CONVOLUTIONS(extern)
}  // namespace retrace::inline RETRACE_ISA
