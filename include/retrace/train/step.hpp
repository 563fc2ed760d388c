// Training steps, evaluation, and the peak memory of a step.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "retrace/net/chain.hpp"
#include "retrace/train/loss/cross_entropy.hpp"
#include "retrace/train/loss/loss.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of accumulate_gradients.
template <class T, Device D>
struct PassOptions {
  Run run = training;          ///< passed to the forward pass
  Tensor<T, D>* dx = nullptr;  ///< receives the gradient with respect to the batch unless null
};

namespace detail {

/// @param log_det  that of the pass, if the loss is one of flows
template <class T, Device D, Loss<T, D> L>
LossValue loss_of_output(const L& loss, const Tensor<T, D>& y, Tensor<T, D>& dy,
                         [[maybe_unused]] LogDet<D>* log_det) {
  if constexpr (FlowLoss<L, T, D>)
    return loss(y, dy, *log_det);
  else
    return loss(y, dy);
}

/// @param share  returns the factor that scales the gradients of the mean over x
template <class T, Device D, Loss<T, D> L, class Share>
LossValue accumulate_part(Chain<T, D>& net, typename Chain<T, D>::State& x, const L& loss,
                          const PassOptions<T, D>& options, Share share) {
  std::optional<LogDet<D>> log_det;
  LogDet<D>* sum = nullptr;
  if constexpr (FlowLoss<L, T, D>) sum = &log_det.emplace(x.device(), x.shape().n);
  net.forward(x, options.run, sum);
  LossValue value;
  std::optional<Tensor<T, D>> dx;
  try {
    dx.emplace(x.device(), x.shape(), Use::gradient);
    value = loss_of_output(loss, std::as_const(x), *dx, sum);
    if (const double factor = share(value); factor != 1) {
      scale(dx->view(), factor);
      if (sum) sum->gradient *= factor;
    }
  } catch (...) {
    net.abandon();
    throw;
  }
  net.backward(x, *dx, sum);
  if (options.dx) *options.dx = std::move(*dx);
  return value;
}

}  // namespace detail

/// Runs forward, loss and backward: adds the gradient of the mean loss to the gradient of every
/// parameter. `x` is the batch; on return it holds the batch again.
///
/// A network with several heads consists of several chains. Call `body.forward(x, training)`, then
/// this function on a copy of x for every head with `{.dx = &dx}`, then `body.backward(x, dx)` with
/// the sum of these gradients. A loss on an intermediate activation works the same way.
template <class T, Device D, Loss<T, D> L>
LossValue accumulate_gradients(Chain<T, D>& net, typename Chain<T, D>::State& x, const L& loss,
                               const std::type_identity_t<PassOptions<T, D>>& options = {}) {
  return detail::accumulate_part(net, x, loss, options, [](const LossValue&) { return 1.0; });
}

/// Accumulates the gradients of a batch of `images` from micro-batches of at most `micro` images.
/// load(first, count) returns an object with member `x` that holds images [first, first + count);
/// loss_of(batch) returns the loss of that object. The gradients are complete after the last
/// micro-batch.
///
/// Loss and gradients are means over the whole batch. But a normalisation uses the statistics of
/// each micro-batch and updates its running averages once per micro-batch. With batch normalisation
/// the result therefore differs from a step on the whole batch, and small micro-batches are noisy.
/// @param weight  LossValue::weight of the whole batch. Required if images have different weights,
///                because labels are ignored or classes weighted. 0 if all images weigh the same.
/// @throws std::invalid_argument if micro is not positive or the weight is wrong. Gradients may
///         have been added by then; zero them before the next step.
template <class T, Device D, class Load, class LossOf = CrossEntropyOfLabels>
LossValue accumulate_gradients(Chain<T, D>& net, Index images, Index micro, Load load,
                               const LossOf& loss_of = {}, double weight = 0) {
  if (micro < 1)
    throw std::invalid_argument("accumulate_gradients: a micro-batch has to have images, got " +
                                std::to_string(micro));
  const auto list = net.parameters();
  LossValue sum;
  double of_first = 0;
  for (Index first = 0; first < images; first += micro) {
    const Index count = std::min(micro, images - first);
    AddsGuard adds(list);
    if (first + count < images) adds.set_all(Adds::part);
    auto batch = load(first, count);
    sum += detail::accumulate_part(
        net, batch.x, loss_of(std::as_const(batch)), PassOptions<T, D>{},
        [&](const LossValue& part) {
          if (weight > 0) return part.weight / weight;
          const double of_image = part.weight / static_cast<double>(count);
          if (first == 0) of_first = of_image;
          if (std::abs(of_image - of_first) > 1e-9 * of_first)
            throw std::invalid_argument(
                "accumulate_gradients: an image weighs " + std::to_string(of_first) +
                " in the loss of the first micro-batch and " + std::to_string(of_image) +
                " in that from image " + std::to_string(first) +
                ": give the weight of the whole batch");
          return static_cast<double>(count) / static_cast<double>(images);
        });
  }
  if (weight > 0 && std::abs(sum.weight - weight) > 1e-6 * weight)
    throw std::invalid_argument("accumulate_gradients: the batch weighs " +
                                std::to_string(sum.weight) + " in the loss, not " +
                                std::to_string(weight));
  return sum;
}

/// Returns the loss of an inference pass, which uses running averages. `x` becomes the output.
template <class T, Device D, Loss<T, D> L>
LossValue evaluate(Chain<T, D>& net, typename Chain<T, D>::State& x, const L& loss) {
  std::optional<LogDet<D>> log_det;
  LogDet<D>* sum = nullptr;
  if constexpr (FlowLoss<L, T, D>) sum = &log_det.emplace(x.device(), x.shape().n);
  net.forward(x, inference, sum);
  typename Chain<T, D>::Gradient unused(x.device(), x.shape(), Use::gradient);
  return detail::loss_of_output(loss, std::as_const(x), unused, sum);
}

/// The peak memory of a training step and where it occurs.
struct PeakMemory {
  Bytes bytes;        ///< by use, including what the device already holds
  std::string place;  ///< the layer that runs at the peak, such as "level1.block0"
};

/// Predicts the peak memory of accumulate_gradients on a batch of the given shape. It performs a
/// dry run of the net in its current modes: nothing is allocated, computed or changed. The memory
/// of the loss is included if a loss is passed.
template <class T, Device D, Loss<T, D> L = NoLoss>
PeakMemory peak_memory(Chain<T, D>& net, std::type_identity_t<D>& device, Shape batch,
                       const L& loss = {}) {
  typename D::Rehearsal rehearsal(device);
  const AbsentGradients<T, D> absent(net.parameters());
  typename Chain<T, D>::State x(device, batch);
  accumulate_gradients(net, x, loss);
  return {device.memory().peak(), device.memory().peak_place()};
}

/// Returns the name of the first layer whose output on this batch has a NaN or an infinity, or an
/// empty string if none has. Runs forward with the statistics of the batch, without updating the
/// running averages.
template <class T, Device D>
std::string first_nonfinite_layer(Chain<T, D>& net, typename Chain<T, D>::State& x) {
  using Net = Chain<T, D>;
  std::string found;
  const typename Net::Observed observed(net, [&](const typename Net::Visit& visit) {
    if (found.empty() && !all_finite(visit.x.view())) found = visit.layer;
  });
  net.forward(x, measuring_run);
  return found;
}

/// Returns the name of the last parameter in the list whose gradient has a NaN or an infinity, or
/// an empty string if none has. This is the first such parameter of the backward pass.
template <class T, Device D>
std::string first_nonfinite_gradient(ParameterList<T, D>& list) {
  for (std::size_t i = list.parameters.size(); i-- > 0;)
    if (!all_finite(list.parameters[i].parameter->gradient.view())) return list.parameters[i].name;
  return {};
}

}  // namespace retrace::inline RETRACE_ISA
