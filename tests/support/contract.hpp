// The library's layer checks, compiled once for all tests.
#pragma once

#include "retrace/check.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

// clang-format off
#define RETRACE_TEST_CONTRACT(prefix, T)                                                          \
  prefix template void randomise(AnyLayer<T>&, unsigned);                                         \
  prefix template PassValues pass(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);                      \
  prefix template Findings check_inverse(AnyLayer<T>&, const Tensor<T, Cpu>&, double);            \
  prefix template Findings check_backward_restores_input(AnyLayer<T>&, const Tensor<T, Cpu>&,     \
                                                         double, Run);                            \
  prefix template Findings check_gradients_are_added(AnyLayer<T>&, const Tensor<T, Cpu>&, Run,    \
                                                     double);                                     \
  prefix template Findings check_completion(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);            \
  prefix template Findings check_buffers_move_once(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);     \
  prefix template Findings check_nothing_is_left(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);       \
  prefix template Findings check_repeats(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);               \
  prefix template Findings check_empty_batch(AnyLayer<T>&, Cpu&, Shape, Run);                     \
  prefix template Findings check_frozen(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);                \
  prefix template Findings check_two_passes(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);            \
  prefix template Findings check_bad_batch(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);             \
  prefix template Findings check_rehearsal(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);             \
  prefix template std::size_t kept_bytes(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);
#define RETRACE_TEST_CONTRACT_IN_BOTH(prefix)                                                     \
  RETRACE_TEST_CONTRACT(prefix, float)                                                            \
  RETRACE_TEST_CONTRACT(prefix, double)                                                           \
  prefix template Findings check_gradients(AnyLayer<double>&, const Tensor<double, Cpu>&, Run);   \
  prefix template Findings check_taylor(AnyLayer<double>&, const Tensor<double, Cpu>&, Run);      \
  prefix template Findings check_held_averages(AnyLayer<double>&, const Tensor<double, Cpu>&, Run); \
  prefix template Findings check_modes(AnyLayer<double>&, const Tensor<double, Cpu>&, Run);       \
  prefix template Findings check_agreement(AnyLayer<float>&, AnyLayer<double>&,                   \
                                           const Tensor<float, Cpu>&, double, Run);               \
  prefix template Findings detail::check_layer(AnyLayer<float>, AnyLayer<double>,                 \
                                               AnyLayer<double>, Cpu&, Cpu&,                      \
                                               const std::vector<Shape>&, const Contract&);
// clang-format on

namespace retrace::check {
RETRACE_TEST_CONTRACT_IN_BOTH(extern)
}  // namespace retrace::check

namespace retrace::test {

using check::AnyLayer;
using check::check_agreement;
using check::check_backward_restores_input;
using check::check_bad_batch;
using check::check_buffers_move_once;
using check::check_completion;
using check::check_empty_batch;
using check::check_frozen;
using check::check_gradients;
using check::check_gradients_are_added;
using check::check_held_averages;
using check::check_inverse;
using check::check_layer;
using check::check_modes;
using check::check_nothing_is_left;
using check::check_rehearsal;
using check::check_repeats;
using check::check_taylor;
using check::check_two_passes;
using check::compare;
using check::Contract;
using check::kept_bytes;
using check::pass;
using check::PassValues;
using check::randomise;

}  // namespace retrace::test
