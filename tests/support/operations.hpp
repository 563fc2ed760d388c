// Host operations. Those that take longest to compile are compiled once for all tests.
#pragma once

#include "retrace/cpu/conv2d.hpp"
#include "retrace/cpu/dropout.hpp"
#include "retrace/cpu/fixed_point.hpp"
#include "retrace/cpu/linear.hpp"
#include "retrace/cpu/normalise.hpp"
#include "retrace/cpu/pool.hpp"
#include "retrace/cpu/softmax.hpp"
#include "retrace/cpu/update.hpp"

// clang-format off
#define RETRACE_TEST_OPERATIONS(prefix, T)                                                        \
  prefix template void cpu::convolve<T>(View<T, Cpu>, View<const T, Cpu>, View<const T, Cpu>, Index, \
                                        const NormActivation<T, Cpu>*, Store, cpu::PixelReader*);  \
  prefix template void cpu::convolve_gradient<T>(View<T, Cpu>, View<const T, Cpu>,                \
                                                 View<const T, Cpu>, Index, Store,                \
                                                 cpu::PixelReader*);                              \
  prefix template void conv2d_weight_gradient<T>(View<T, Cpu>, View<const T, Cpu>,                \
                                                 View<const T, Cpu>, Index,                       \
                                                 const NormActivation<T, Cpu>*);                  \
  prefix template void channel_moments<const T>(View<const T, Cpu>, View<double, Cpu>,            \
                                                View<double, Cpu>);                               \
  prefix template void normalise_activate<T>(View<T, Cpu>, View<const T, Cpu>,                    \
                                             const ChannelNorm<T, Cpu>&, Activation);             \
  prefix template void invert_normalise_activate<T>(View<T, Cpu>, const ChannelNorm<T, Cpu>&,     \
                                                    Activation);                                  \
  prefix template void normalise_activate_sums<T>(View<double, Cpu>, View<T, Cpu>,                \
                                                  View<const T, Cpu>,                             \
                                                  const ChannelNorm<T, Cpu>&, Activation);        \
  prefix template void normalise_activate_sums<const T>(View<double, Cpu>, View<const T, Cpu>,    \
                                                        View<const T, Cpu>,                       \
                                                        const ChannelNorm<T, Cpu>&, Activation);  \
  prefix template void normalise_activate_backward<T>(                                            \
      View<T, Cpu>, View<const T, Cpu>, View<const T, Cpu>, const GradientSums<Cpu>&,             \
      const ChannelNorm<T, Cpu>&, Activation, Store);                                             \
  prefix template void take_off_gradient_means<T>(View<T, Cpu>, View<const T, Cpu>,               \
                                                  const GradientSums<Cpu>&,                       \
                                                  const ChannelNorm<T, Cpu>&);                    \
  prefix template void invert_normalise_activate_sums<T>(                                         \
      View<double, Cpu>, View<T, Cpu>, View<T, Cpu>, const ChannelNorm<T, Cpu>&, Activation);
// clang-format on

namespace retrace {
RETRACE_TEST_OPERATIONS(extern, float)
RETRACE_TEST_OPERATIONS(extern, double)
}  // namespace retrace
