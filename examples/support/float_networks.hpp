// The networks in float on the host, compiled once for all programs because their builders and
// convolutions take half a minute to compile.
#pragma once

#include "retrace/retrace.hpp"

// clang-format off
#define RETRACE_FLOAT_NETWORKS(prefix)                                                            \
  prefix template Chain<float, Cpu> build<float, Cpu>(Cpu&, Architecture, const NetOptions&);     \
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

namespace retrace {
RETRACE_FLOAT_NETWORKS(extern)
}  // namespace retrace
