// One step of training, one pass of inference, and what a step will need.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "retrace/net/chain.hpp"
#include "retrace/train/loss.hpp"

namespace retrace::inline RETRACE_ISA {

/// Forward, loss and backward: adds to every parameter's gradient. `x` is the batch, or a part of
/// one of so many images, and holds it again afterwards; `dx`, made here, is dropped.
template <class T, Device D>
BatchLoss accumulate_gradients(Chain<T, D>& net, typename Chain<T, D>::State& x,
                               std::span<const std::uint8_t> labels, Index images = 0,
                               const SoftmaxCrossEntropy& criterion = {}) {
  net.forward(x, training);
  typename Chain<T, D>::Gradient dx(x.device(), x.shape(), Use::gradient);
  const BatchLoss loss = criterion(x, labels, dx, images);
  net.backward(x, dx);
  return loss;
}

/// The gradients of a batch of `images` from micro-batches of at most `micro`: load(first, count)
/// gives images [first, first + count) as something with `x` and `labels`, one micro-batch at a
/// time. Gradients are complete after the last.
///
/// The loss is the mean over the batch, and so are the gradients; but a normalisation takes the
/// statistics of each micro-batch, and its running averages move once a micro-batch. With batch
/// normalisation this is not the step of the whole batch, and a small micro-batch is a noisy one.
/// @throws std::invalid_argument unless micro is positive.
template <class T, Device D, class Load>
BatchLoss accumulate_gradients(Chain<T, D>& net, Index images, Index micro, Load load,
                               const SoftmaxCrossEntropy& criterion = {}) {
  if (micro < 1)
    throw std::invalid_argument("accumulate_gradients: a micro-batch has to have images, got " +
                                std::to_string(micro));
  const auto list = net.parameters();
  BatchLoss sum;
  for (Index first = 0; first < images; first += micro) {
    const Index count = std::min(micro, images - first);
    AddsGuard adds(list);
    if (first + count < images) adds.set_all(Adds::part);
    auto batch = load(first, count);
    const BatchLoss loss = accumulate_gradients(net, batch.x, batch.labels, images, criterion);
    const double share = static_cast<double>(count) / static_cast<double>(images);
    sum = {sum.loss + share * loss.loss, sum.correct + loss.correct, sum.images + count};
  }
  return sum;
}

/// The loss under the running averages. `x` becomes the logits.
template <class T, Device D>
BatchLoss evaluate(Chain<T, D>& net, typename Chain<T, D>::State& x,
                   std::span<const std::uint8_t> labels) {
  net.forward(x, inference);
  typename Chain<T, D>::Gradient unused(x.device(), x.shape(), Use::gradient);
  return SoftmaxCrossEntropy{}(x, labels, unused);
}

/// What a training step holds at its peak, and where that is.
struct PeakMemory {
  Bytes bytes;        ///< by use, with everything the device holds already
  std::string place;  ///< the layer at work, "level1.block0"
};

/// Predicts the peak of accumulate_gradients on a batch of that shape by running it dry, on the
/// net's own layers in their own modes: nothing is allocated, computed or changed.
template <class T, Device D>
PeakMemory peak_memory(Chain<T, D>& net, std::type_identity_t<D>& device, Shape batch) {
  typename D::Rehearsal rehearsal(device);
  typename Chain<T, D>::State x(device, batch);
  const std::vector<std::uint8_t> labels(static_cast<std::size_t>(batch.n), 0);
  accumulate_gradients(net, x, labels);
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
  net.forward(x, {Statistics::batch, false, false});
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
