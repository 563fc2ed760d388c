// One step of training, one pass of inference, and what a step will need.
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

/// How accumulate_gradients runs, and what else it gives.
template <class T, Device D>
struct PassOptions {
  Run run = training;          ///< of the forward pass
  Tensor<T, D>* dx = nullptr;  ///< becomes the gradient with respect to the batch, if not null
};

namespace detail {

/// @param share  what gradients of the mean over x are multiplied by
template <class T, Device D, Loss<T, D> L, class Share>
LossValue accumulate_part(Chain<T, D>& net, typename Chain<T, D>::State& x, const L& loss,
                          const PassOptions<T, D>& options, Share share) {
  net.forward(x, options.run);
  LossValue value;
  std::optional<Tensor<T, D>> dx;
  try {
    dx.emplace(x.device(), x.shape(), Use::gradient);
    value = loss(std::as_const(x), *dx);
    if (const double factor = share(value); factor != 1) scale(dx->view(), factor);
  } catch (...) {
    net.abandon();
    throw;
  }
  net.backward(x, *dx);
  if (options.dx) *options.dx = std::move(*dx);
  return value;
}

}  // namespace detail

/// Forward, loss and backward: adds the gradient of the loss's mean to every parameter's. `x` is
/// the batch, and holds it again afterwards.
///
/// A chain with several heads is several chains: `body.forward(x, training)`, then this on a copy
/// of x for every head, with `{.dx = &dx}`, and `body.backward(x, dx)` with the sum of what they
/// give. So is one with a loss on what is between two of its layers.
template <class T, Device D, Loss<T, D> L>
LossValue accumulate_gradients(Chain<T, D>& net, typename Chain<T, D>::State& x, const L& loss,
                               const std::type_identity_t<PassOptions<T, D>>& options = {}) {
  return detail::accumulate_part(net, x, loss, options, [](const LossValue&) { return 1.0; });
}

/// The gradients of a batch of `images` from micro-batches of at most `micro`: load(first, count)
/// gives images [first, first + count) as something with an `x`, one micro-batch at a time, and
/// loss_of(batch) its loss. Gradients are complete after the last.
///
/// The loss is the mean over the batch, and so are the gradients; but a normalisation takes the
/// statistics of each micro-batch, and its running averages move once a micro-batch. With batch
/// normalisation this is not the step of the whole batch, and a small micro-batch is a noisy one.
/// @param weight  what the loss divides by, summed over the whole batch (LossValue::weight): to be
///                given where images have different ones, because labels are ignored or classes
///                weighted. 0: all have the same.
/// @throws std::invalid_argument unless micro is positive and the weight is right: gradients have
///         been added to then, and are to be emptied.
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

/// The loss under the running averages. `x` becomes the output.
template <class T, Device D, Loss<T, D> L>
LossValue evaluate(Chain<T, D>& net, typename Chain<T, D>::State& x, const L& loss) {
  net.forward(x, inference);
  typename Chain<T, D>::Gradient unused(x.device(), x.shape(), Use::gradient);
  return loss(std::as_const(x), unused);
}

/// What a training step holds at its peak, and where that is.
struct PeakMemory {
  Bytes bytes;        ///< by use, with everything the device holds already
  std::string place;  ///< the layer at work, "level1.block0"
};

/// Predicts the peak of accumulate_gradients on a batch of that shape by running it dry, on the
/// net's own layers in their own modes: nothing is allocated, computed or changed. What a loss
/// holds itself is counted if it is given.
template <class T, Device D, Loss<T, D> L = NoLoss>
PeakMemory peak_memory(Chain<T, D>& net, std::type_identity_t<D>& device, Shape batch,
                       const L& loss = {}) {
  typename D::Rehearsal rehearsal(device);
  const AbsentGradients<T, D> absent(net.parameters());
  typename Chain<T, D>::State x(device, batch);
  accumulate_gradients(net, x, loss);
  return {device.memory().peak(), device.memory().peak_place()};
}

/// The name of the first layer whose output on this batch holds a NaN or an infinity; empty if
/// none does. Runs forward by the batch's statistics, without counting it.
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

/// The name of the last parameter in the list, so the first on the way back, whose gradient holds
/// a NaN or an infinity; empty if none does.
template <class T, Device D>
std::string first_nonfinite_gradient(ParameterList<T, D>& list) {
  for (std::size_t i = list.parameters.size(); i-- > 0;)
    if (!all_finite(list.parameters[i].parameter->gradient.view())) return list.parameters[i].name;
  return {};
}

}  // namespace retrace::inline RETRACE_ISA
