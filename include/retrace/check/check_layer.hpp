// The whole contract of a layer, and of a branch.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "retrace/check/frozen.hpp"
#include "retrace/check/log_dets.hpp"
#include "retrace/check/passes.hpp"
#include "retrace/check/promises.hpp"
#include "retrace/check/rehearsal.hpp"
#include "retrace/check/slopes.hpp"
#include "retrace/layer/additive_coupling.hpp"

namespace retrace::inline RETRACE_ISA::contract {

/// Allowed errors of a layer, in roundings: units in the last place of a tensor's largest value.
struct Contract {
  double inverse = 0;     ///< x from inverse(y)
  double restored = 0;    ///< x from backward
  double agreement = 16;  ///< float compared with double, in roundings of float
  double added = 0;       ///< twice a gradient compared with one added twice
  bool random = false;    ///< a batch run draws new random numbers, a replay does not
};

namespace detail {

/// Fixes the random draw for all later passes.
template <class T>
void draw(AnyLayer<T>& layer, Cpu& device, Shape shape) {
  auto x = spread<T>(device, shape);
  layer.forward(x, preview(training));
}

/// Checks every promise on one batch.
template <class T>
Findings check_promises(AnyLayer<T>& single, AnyLayer<double>& exact, Cpu& one, Cpu& two,
                        Shape shape, const Contract& contract, Run run) {
  Findings found;
  const auto x = spread<double>(one, shape);
  const auto single_x = spread<T>(two, shape);
  if (exact.invertible()) {
    found.add("double", check_inverse(exact, x, contract.inverse));
    found.add("float", check_inverse(single, single_x, contract.inverse));
  }
  found.add("double", check_backward_restores_input(exact, x, contract.restored, run));
  found.add("float", check_backward_restores_input(single, single_x, contract.restored, run));
  found.add(check_log_det(exact, x));
  found.add(check_gradients(exact, x, run));
  found.add(check_taylor(exact, x, run));
  found.add(check_agreement(single, exact, single_x, contract.agreement, run));
  found.add("double", check_gradients_are_added(exact, x, run, contract.added));
  found.add("float", check_gradients_are_added(single, single_x, run, contract.added));
  found.add(check_completion(exact, x, run));
  if (!contract.random) {
    found.add(check_buffers_move_once(exact, x));
    found.add(check_nothing_is_left(single, single_x));
  }
  found.add("double", check_frozen(exact, x, run));
  found.add("float", check_frozen(single, single_x, run));
  found.add(check_held_averages(exact, x, run));
  found.add("double", check_two_passes(exact, x, run));
  found.add("float", check_two_passes(single, single_x, run));
  found.add("double", check_bad_batch(exact, x, run));
  found.add("float", check_bad_batch(single, single_x, run));
  found.add("double", check_rehearsal(exact, x, run));
  found.add("float", check_rehearsal(single, single_x, run));
  return found;
}

/// Checks that all modes agree, and that each leaves frozen parameters unchanged.
inline Findings check_all_modes(AnyLayer<double>& layer, const Tensor<double, Cpu>& x, Run run) {
  Findings found = check_modes(layer, x, run);
  for (Mode mode : all_modes) {
    layer.set_mode(mode);
    found.add("in mode " + std::string(name(mode)), check_frozen(layer, x, run));
    found.add("in mode " + std::string(name(mode)), check_rehearsal(layer, x, run));
  }
  return found;
}

/// Checks that inside() visits all parts of the layer that have memory for parameters.
template <class T>
Findings check_parts(AnyLayer<T>& layer, std::size_t held) {
  std::size_t named = 0;
  const auto list = layer.parameters();
  const auto count = [&](const Tensor<T, Cpu>& tensor) {
    named += static_cast<std::size_t>(tensor.shape().size()) * sizeof(T);
  };
  for (const auto& parameter : list.parameters) count(parameter.parameter->value);
  for (const auto& buffer : list.buffers) count(*buffer.tensor);
  Findings wrong;
  if (named != held)
    wrong.add("inside() visits " + std::to_string(named) + " of the " + std::to_string(held) +
              " bytes of parameters and buffers: it must visit every part");
  return wrong;
}

/// `exact` computes on one thread, the other two on two threads.
template <class T>
Findings check_layer(AnyLayer<T> single, AnyLayer<double> exact, AnyLayer<double> threaded,
                     Cpu& one, Cpu& two, const std::vector<Shape>& shapes,
                     const Contract& contract) {
  Findings found;
  randomise(single);
  randomise(exact);
  randomise(threaded);
  Run run = training;
  if (contract.random) {
    draw(exact, one, shapes.front());
    draw(threaded, two, shapes.front());
    draw(single, two, shapes.front());
    run = replay(training);
  }
  for (Shape shape : shapes) {
    const std::string where = to_string(shape) + " on two threads";
    const auto x = spread<double>(one, shape), threaded_x = spread<double>(two, shape);
    found.add(where, compare(pass(threaded, threaded_x, run), pass(exact, x, run), 1e-12));
    found.add(where, check_repeats(threaded, threaded_x, run));
    pass(exact, x, run), pass(exact, x, run);  // the same number of steps
  }
  for (Shape shape : shapes)
    found.add(to_string(shape), check_promises(single, exact, one, two, shape, contract, run));
  found.add("empty double", check_empty_batch(exact, one, shapes.front(), run));
  found.add("empty float", check_empty_batch(single, two, shapes.front(), run));
  found.add(check_all_modes(threaded, spread<double>(two, shapes.front()), run));
  return found;
}

}  // namespace detail

/// Checks the contract of a layer on batches of these shapes and on an empty one. The checks are:
///
/// - the inverse, if there is one, and the input that backward reconstructs;
/// - gradients against finite differences in double, float against double, one thread against two;
/// - log-determinants against those of numerical Jacobians, if it can be a layer of a flow;
/// - gradients are added and complete, running averages move once, nothing stays stored, and
///   repetitions have the same bits;
/// - frozen parameters and held averages do not change;
/// - successive passes, a batch with a NaN, a dry device and all modes;
/// - inside() visits every parameter.
///
/// `make.operator()<T>(device)` makes the layer for T float and double, the same one each time:
/// `[]<class T>(Cpu& device) { return Scale<T>(device, 6); }`.
template <class Make>
Findings check_layer(Make make, const std::vector<Shape>& shapes, const Contract& contract) {
  Cpu one(1), two(2);
  AnyLayer<double> exact(make.template operator()<double>(one));
  Findings found = detail::check_parts(exact, one.memory().live()[Use::parameter]);
  if (!found.empty()) return found;
  return detail::check_layer(
      AnyLayer<float>(make.template operator()<float>(two)), std::move(exact),
      AnyLayer<double>(make.template operator()<double>(two)), one, two, shapes, contract);
}

/// Checks a branch within couplings, as F of one and as G of another. The shapes are those of the
/// branch: half of the coupling's.
template <class Make>
Findings check_branch(Make make, std::vector<Shape> shapes, const Contract& contract) {
  for (Shape& shape : shapes) shape.c *= 2;
  const auto coupling = [&]<class T>(Cpu& device) -> AnyLayer<T> {
    auto f = make.template operator()<T>(device);
    return AdditiveCoupling(std::move(f), make.template operator()<T>(device));
  };
  return check_layer(coupling, shapes, contract);
}

}  // namespace retrace::inline RETRACE_ISA::contract
