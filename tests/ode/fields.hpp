// Fields of differential equations for tests.
#pragma once

#include "retrace/cpu/operations.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/smooth.hpp"
#include "retrace/layer/time_shift.hpp"
#include "retrace/net/stage_sequence.hpp"
#include "support/tensors.hpp"

namespace retrace::test {

/// f(t, x) = B·tanh(A·x + t·w + a) + b, with random weights.
template <class T>
StageSequence<T, Cpu> small_field(Cpu& device, Index channels, Index hidden = 6) {
  Random random(3);
  StageSequence<T, Cpu> field;
  field.add("linear0", Linear<T, Cpu>(device, channels, hidden, random));
  field.add("time", TimeShift<T, Cpu>(device, hidden, random));
  field.add("tanh", Tanh<T, Cpu>());
  field.add("linear1", Linear<T, Cpu>(device, hidden, channels, random));
  return field;
}

/// f(x) = x·m for a matrix of `channels` rows.
template <class T>
StageSequence<T, Cpu> linear_field(Cpu& device, Index channels, const Values& m) {
  const Index columns = Index(m.size()) / channels;
  Random random(3);
  Linear<T, Cpu> linear(device, channels, columns, random);
  assign(linear.weight().value.view(), m);
  StageSequence<T, Cpu> field;
  field.add("linear", std::move(linear));
  return field;
}

}  // namespace retrace::test
