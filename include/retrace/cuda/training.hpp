// What training takes beside its layers, on a GPU: loss, update, dropped elements.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retrace/core/loss_sum.hpp"
#include "retrace/core/momentum.hpp"
#include "retrace/core/sgd_term.hpp"
#include "retrace/cuda/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// dx = (softmax(x) − q)/images for the rows of x, [N,1,1,K], where q is smoothing/K, and
/// 1 − smoothing more for the label; the loss of each row, −Σ q·log softmax(x), and whether its
/// label's logit is the largest, stay on the GPU.
/// @pre every label is less than K.
template <class T>
void softmax_cross_entropy(View<T, Cuda> dx, ConstView<T, Cuda> x,
                           View<const std::uint8_t, Cuda> labels, View<double, Cuda> losses,
                           View<std::uint8_t, Cuda> hits, Index images, double smoothing) {
  x.device().run(pass<T>(x.shape(), 2), [&](kernels::Context& on) {
    kernels::softmax_cross_entropy<T>(on, cuda::pixels(dx), cuda::pixels(x), labels.data(),
                                      losses.data(), hits.data(), images, smoothing);
  });
}

/// What that left, summed in order.
inline LossSum sum_of_losses(View<const double, Cuda> losses, View<const std::uint8_t, Cuda> hits) {
  std::vector<double> loss(static_cast<std::size_t>(losses.shape().size()), 0.0);
  std::vector<std::uint8_t> hit(loss.size(), 0);
  download(std::span(loss), losses);
  download(std::span(hit), hits);
  LossSum total;
  for (std::size_t image = 0; image < loss.size(); ++image) {
    total.loss += loss[image];
    total.correct += hit[image];
  }
  return total;
}

/// Both, with labels of the host.
template <class T>
LossSum softmax_cross_entropy(View<T, Cuda> dx, ConstView<T, Cuda> x,
                              std::span<const std::uint8_t> labels, Index images,
                              double smoothing) {
  Cuda& device = x.device();
  const Index rows = x.shape().n;
  Tensor<std::uint8_t, Cuda> targets(device, per_channel(rows), Use::workspace);
  Tensor<std::uint8_t, Cuda> hits(device, per_channel(rows), Use::workspace);
  auto losses = cuda::scratch(device, rows);
  upload(targets.view(), labels);
  softmax_cross_entropy(dx, x, targets.view(), losses.view(), hits.view(), images, smoothing);
  return sum_of_losses(losses.view(), hits.view());
}

/// The step of core/momentum.hpp, of one parameter. All packed.
template <class T>
void sgd_update(View<T, Cuda> value, ConstView<T, Cuda> gradient, SameView<T, Cuda> velocity,
                double rate, Momentum momentum, double decay) {
  value.device().run(pass<T>(value.shape(), 5), [&](kernels::Context& on) {
    const kernels::SgdTerm<T> term{value.data(), const_cast<T*>(gradient.data()), velocity.data(),
                                   value.shape().size(), static_cast<T>(decay)};
    kernels::sgd_update<T>(on, std::span(&term, 1), static_cast<T>(rate), nullptr, momentum, false);
  });
}

namespace cuda {

/// @param rate_there  where the rate is, in place of `rate`, if not null
template <class T>
void sgd_step(std::span<const SgdTerm<T, Cuda>> terms, double rate, const T* rate_there,
              Momentum momentum) {
  if (terms.empty()) return;
  Work work;
  std::vector<kernels::SgdTerm<T>> list;
  for (const SgdTerm<T, Cuda>& each : terms) {
    const Index count = each.value.shape().size();
    work.bytes += pass<T>(each.value.shape(), 6).bytes;
    list.push_back({each.value.data(), each.gradient.data(), each.velocity.data(), count,
                    static_cast<T>(each.decay)});
  }
  terms[0].value.device().run(work, [&](kernels::Context& on) {
    kernels::sgd_update<T>(on, list, static_cast<T>(rate), rate_there, momentum, true);
  });
}

}  // namespace cuda

/// The update of all these, whose gradients are 0 afterwards, in as many launches as it takes to
/// name them: 80 in one.
/// @pre all are on one device.
template <class T>
void sgd_step(std::span<const SgdTerm<T, Cuda>> terms, double rate, Momentum momentum) {
  cuda::sgd_step<T>(terms, rate, nullptr, momentum);
}
/// The same at a rate that is on the GPU, one element.
template <class T>
void sgd_step(std::span<const SgdTerm<T, Cuda>> terms, ConstView<T, Cuda> rate, Momentum momentum) {
  cuda::sgd_step<T>(terms, 0, rate.data(), momentum);
}

/// Σ x² of packed x, in double. 0 on a dry device.
template <class T>
double sum_of_squares(View<T, Cuda> x) {
  auto scratch = cuda::scratch(x.device(), kernels::pair_scratch);
  double sum = 0;
  x.device().run(pass<T>(x.shape(), 1), [&](kernels::Context& on) {
    sum = kernels::sum_of_squares<std::remove_const_t<T>>(on, cuda::pixels(x), scratch.data());
  });
  return sum;
}

/// x *= factor, packed.
template <class T>
void scale(View<T, Cuda> x, double factor) {
  x.device().run(pass<T>(x.shape(), 2), [&](kernels::Context& on) {
    kernels::scale<T>(on, cuda::pixels(x), static_cast<T>(factor));
  });
}

/// Multiplies each element of x, packed, by 0 with probability `rate` and by 1/(1 − rate)
/// otherwise. Element e takes word e % 4 of Philox block (e/4, step) under the key `seed`; x begins
/// with element `begin`.
template <class T>
void drop_elements(View<T, Cuda> x, double rate, std::uint64_t seed, std::uint64_t step,
                   Index begin = 0) {
  x.device().run(pass<T>(x.shape(), 2), [&](kernels::Context& on) {
    kernels::drop_elements<T>(on, cuda::pixels(x), rate, seed, step, begin);
  });
}

}  // namespace retrace::inline RETRACE_ISA
