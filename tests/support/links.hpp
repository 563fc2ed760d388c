// The layers and stages that many tests put into chains, compiled once for all of them: what a link
// to one of them takes the compiler is a third of a test.
#pragma once

#include "retrace/layer/dropout.hpp"
#include "retrace/layer/leaky_relu.hpp"
#include "retrace/layer/relu.hpp"
#include "retrace/net/blocks.hpp"
#include "support/operations.hpp"

// clang-format off
#define RETRACE_TEST_LINKS(prefix, T)                                                  \
  prefix template class StageLink<Conv2d<T, Cpu>, T, Cpu, T>;                          \
  prefix template class StageLink<NormActConv<T, Cpu>, T, Cpu, T>;                     \
  prefix template class StageLink<BatchNorm<T, Cpu>, T, Cpu, T>;                       \
  prefix template class StageLink<Linear<T, Cpu>, T, Cpu, T>;                          \
  prefix template class StageLink<GlobalAverage<T, Cpu>, T, Cpu, T>;                   \
  prefix template class StageLink<Relu<T, Cpu>, T, Cpu, T>;                            \
  prefix template class StageLink<Dropout<T, Cpu>, T, Cpu, T>;                         \
  prefix template class LayerLink<InvertibleBatchNorm<T, Cpu>, T, Cpu, T>;             \
  prefix template class LayerLink<LeakyRelu<T, Cpu>, T, Cpu, T>;                       \
  prefix template class LayerLink<MaxPooling<T, Cpu>, T, Cpu, T>;                      \
  prefix template class LayerLink<ChannelPooling<T, Cpu>, T, Cpu, T>;                  \
  prefix template class LayerLink<BatchPooling<T, Cpu>, T, Cpu, T>;                    \
  prefix template class LayerLink<AdditiveCoupling<Branch<T, Cpu>>, T, Cpu, T>;        \
  prefix template class LayerLink<Residual<T, Cpu>, T, Cpu, T>;                        \
  prefix template class LayerLink<Chain<T, Cpu>, T, Cpu, T>;
// clang-format on

namespace retrace::inline RETRACE_ISA {
RETRACE_TEST_LINKS(extern, float)
RETRACE_TEST_LINKS(extern, double)
}  // namespace retrace::inline RETRACE_ISA
