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

namespace retrace::contract {
RETRACE_TEST_CONTRACT_IN_BOTH(extern)
}  // namespace retrace::contract

namespace retrace::test {

using contract::AnyLayer;
using contract::check_agreement;
using contract::check_backward_restores_input;
using contract::check_bad_batch;
using contract::check_buffers_move_once;
using contract::check_completion;
using contract::check_empty_batch;
using contract::check_frozen;
using contract::check_gradients;
using contract::check_gradients_are_added;
using contract::check_held_averages;
using contract::check_inverse;
using contract::check_layer;
using contract::check_modes;
using contract::check_nothing_is_left;
using contract::check_rehearsal;
using contract::check_repeats;
using contract::check_taylor;
using contract::check_two_passes;
using contract::compare;
using contract::Contract;
using contract::kept_bytes;
using contract::pass;
using contract::PassValues;
using contract::randomise;

}  // namespace retrace::test
