// The networks, layers and links that most programs use, for one device. They are compiled once for
// all programs because they take half a minute to compile.
#pragma once

// clang-format off
#define RETRACE_COMPILED_NETWORKS(prefix, T, D)                                                   \
  prefix template Chain<T, D> build<T, D>(D&, Architecture, const NetOptions&);                   \
  prefix template Chain<T, D> resnet<T, D>(D&, const NetOptions&);                                \
  prefix template Chain<T, D> revnet<T, D>(D&, const NetOptions&);                                \
  prefix template Chain<T, D> irevnet<T, D>(D&, const NetOptions&);                               \
  prefix template Chain<T, D> hybrid<T, D>(D&, const NetOptions&);                                \
  prefix template class Tensor<T, D>;                                                             \
  prefix template class ChannelNormalisation<T, D>;                                               \
  prefix template class Linear<T, D>;                                                             \
  prefix template class NormActConv<T, D>;                                                        \
  prefix template class Branch<T, D>;                                                             \
  prefix template class AdditiveCoupling<Branch<T, D>>;                                           \
  prefix template class Chain<T, D>;                                                              \
  prefix template class StageLink<Conv2d<T, D>, T, D, T>;                                         \
  prefix template class StageLink<NormActConv<T, D>, T, D, T>;                                    \
  prefix template class StageLink<BatchNorm<T, D>, T, D, T>;                                      \
  prefix template class StageLink<GlobalAverage<T, D>, T, D, T>;                                  \
  prefix template class StageLink<Linear<T, D>, T, D, T>;                                         \
  prefix template class LayerLink<ChannelPooling<T, D>, T, D, T>;                                 \
  prefix template class LayerLink<AdditiveCoupling<Branch<T, D>>, T, D, T>;
// clang-format on
