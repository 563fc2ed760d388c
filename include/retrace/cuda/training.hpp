// Training operations outside the layers, on a GPU: losses, updates and dropout.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "retrace/core/cross_entropy.hpp"
#include "retrace/core/loss_sum.hpp"
#include "retrace/core/pointwise_loss.hpp"
#include "retrace/core/update_term.hpp"
#include "retrace/cuda/elementwise.hpp"
#include "retrace/math/update.hpp"

namespace retrace::inline RETRACE_ISA {

/// Writes the gradient of core/cross_entropy.hpp for the rows of x, one per pixel, into dx, which
/// may be x. The loss of each row, and whether its label has the largest logit, stay on the GPU.
/// @param weights  one per class, or empty
/// @param divisor  one element that replaces the divisor of the terms
/// @pre every label is a class or `ignore`.
template <class T>
void softmax_cross_entropy(View<T, Cuda> dx, ConstView<T, Cuda> x,
                           View<const std::int32_t, Cuda> labels, View<const double, Cuda> weights,
                           View<const double, Cuda> divisor, View<double, Cuda> losses,
                           View<std::uint8_t, Cuda> hits, const CrossEntropyTerms& terms) {
  x.device().run(sweep_work<T>(x.shape(), 2), [&](kernels::Context& on) {
    const auto there = [](View<const double, Cuda> values) {
      return values.shape().size() > 0 ? values.data() : nullptr;
    };
    kernels::softmax_cross_entropy<T>(
        on, cuda::pixels(dx), cuda::pixels(x),
        {labels.data(), there(weights), there(divisor), losses.data(), hits.data()}, terms);
  });
}

/// Returns workspace for the partial sums of losses.
inline Tensor<double, Cuda> loss_scratch(Cuda& device) {
  return cuda::scratch(device, kernels::pair_scratch);
}

/// Adds up the losses and hits of softmax_cross_entropy. Returns zeros on a dry device.
inline LossSum sum_of_losses(View<const double, Cuda> losses, View<const std::uint8_t, Cuda> hits,
                             View<double, Cuda> scratch) {
  LossSum total;
  losses.device().run({}, [&](kernels::Context& on) {
    const auto sums = kernels::sum_of_losses(on, losses.data(), hits.data(), losses.shape().size(),
                                             scratch.data());
    total = {sums.first, static_cast<Index>(sums.second)};
  });
  return total;
}

/// Computes the gradient and returns the summed loss, with labels and weights in host memory.
template <class T>
LossSum softmax_cross_entropy(View<T, Cuda> dx, ConstView<T, Cuda> x,
                              std::span<const std::int32_t> labels, std::span<const double> weights,
                              const CrossEntropyTerms& terms) {
  Cuda& device = x.device();
  const Index rows = x.shape().pixels();
  Tensor<std::int32_t, Cuda> targets(device, per_channel(rows), Use::workspace);
  Tensor<std::uint8_t, Cuda> hits(device, per_channel(rows), Use::workspace);
  auto losses = cuda::scratch(device, rows);
  auto of_classes = cuda::scratch(device, static_cast<Index>(weights.size()));
  const auto none = Tensor<double, Cuda>::none(device);
  upload(targets.view(), labels);
  if (!weights.empty()) upload(of_classes.view(), weights);
  softmax_cross_entropy(dx, x, targets.view(), of_classes.view(), none.view(), losses.view(),
                        hits.view(), terms);
  return sum_of_losses(losses.view(), hits.view(), loss_scratch(device).view());
}

/// Computes dy = ∂L/∂y / divisor for every element. Partial sums of L stay in `scratch`, which
/// loss_scratch() returns.
/// @throws ShapeError unless all shapes are equal.
template <class T>
void pointwise_loss(View<T, Cuda> dy, ConstView<T, Cuda> y, ConstView<T, Cuda> target,
                    const PointwiseTerms& terms, View<double, Cuda> scratch) {
  require_same_shape("loss", "y", y.shape(), "the target", target.shape());
  require_same_shape("loss", "y", y.shape(), "dy", dy.shape());
  y.device().run(sweep_work<T>(y.shape(), 3), [&](kernels::Context& on) {
    kernels::pointwise_loss<T>(on, cuda::pixels(dy), cuda::pixels(y), cuda::pixels(target), terms,
                               scratch.data());
  });
}

/// Adds up the partial sums of pointwise_loss for tensors of shape y. Returns 0 on a dry device.
inline double sum_of_loss(Shape y, View<const double, Cuda> scratch) {
  double sum = 0;
  scratch.device().run({}, [&](kernels::Context& on) {
    if (y.size() > 0) sum = kernels::sum_of_blocks(on, y.pixels(), scratch.data()).first;
  });
  return sum;
}

/// Computes the gradient and returns the summed loss.
template <class T>
double pointwise_loss(View<T, Cuda> dy, ConstView<T, Cuda> y, ConstView<T, Cuda> target,
                      const PointwiseTerms& terms) {
  auto scratch = loss_scratch(y.device());
  pointwise_loss(dy, y, target, terms, scratch.view());
  return sum_of_loss(y.shape(), scratch.view());
}

namespace cuda {

/// @param rate_there  GPU memory that holds the rate and replaces `rate`, if not null
template <class T, class Step>
void update(std::span<const UpdateTerm<T, Cuda>> terms, double rate, const T* rate_there,
            const Step& step, bool empties) {
  if (terms.empty()) return;
  Work work;
  std::vector<kernels::UpdateTerm<T>> list;
  const double times = 3 + 2 * math::Update<T, Step>::moments + (empties ? 1 : 0);
  for (const UpdateTerm<T, Cuda>& each : terms) {
    work.bytes += sweep_work<T>(each.value.shape(), times).bytes;
    list.push_back({each.value.data(), each.gradient.data(), each.first.data(), each.second.data(),
                    each.value.shape().size(), static_cast<T>(each.decay)});
  }
  terms[0].value.device().run(work, [&](kernels::Context& on) {
    kernels::update_parameters<T, Step>(on, list, static_cast<T>(rate), rate_there, step, empties);
  });
}

}  // namespace cuda

/// Applies the step of core/update.hpp to one parameter.
template <class T, class Step>
void update_parameter(const UpdateTerm<T, Cuda>& term, double rate, const Step& step) {
  cuda::update<T>(std::span(&term, 1), rate, nullptr, step, false);
}

/// Updates all parameters and sets their gradients to 0. A launch updates up to 72 parameters.
/// @pre all parameters are on one device.
template <class T, class Step>
void update_parameters(std::span<const UpdateTerm<T, Cuda>> terms, double rate, const Step& step) {
  cuda::update<T>(terms, rate, nullptr, step, true);
}
/// Updates as above at a rate in the GPU's memory, one element.
template <class T, class Step>
void update_parameters(std::span<const UpdateTerm<T, Cuda>> terms, ConstView<T, Cuda> rate,
                       const Step& step) {
  cuda::update<T>(terms, 0, rate.data(), step, true);
}

/// Updates the moving averages r and c of a gradient's mean squares over rows and over columns, and
/// divides g_ij by √(r_i·c_j/mean(r)). The gradient is [rows, columns], with one row per pixel.
template <class T>
void factor_gradient(View<T, Cuda> gradient, SameView<T, Cuda> rows, SameView<T, Cuda> columns,
                     double beta, double epsilon) {
  auto mean = cuda::scratch(gradient.device(), 1);
  gradient.device().run(sweep_work<T>(gradient.shape(), 4), [&](kernels::Context& on) {
    kernels::factor_gradient<T>(on, gradient.data(), gradient.shape().pixels(), gradient.shape().c,
                                rows.data(), columns.data(), beta, epsilon, mean.data());
  });
}

/// Returns Σ x² of packed x in double, or 0 on a dry device.
template <class T>
double sum_of_squares(View<T, Cuda> x) {
  auto scratch = cuda::scratch(x.device(), kernels::pair_scratch);
  double sum = 0;
  x.device().run(sweep_work<T>(x.shape(), 1), [&](kernels::Context& on) {
    sum = kernels::sum_of_squares<std::remove_const_t<T>>(on, cuda::pixels(x), scratch.data());
  });
  return sum;
}

/// Computes x *= factor; x is packed.
template <class T>
void scale(View<T, Cuda> x, double factor) {
  x.device().run(sweep_work<T>(x.shape(), 2), [&](kernels::Context& on) {
    kernels::scale<T>(on, cuda::pixels(x), static_cast<T>(factor));
  });
}

/// Multiplies each element of packed x by 0 with probability `rate` and by 1/(1 − rate) otherwise.
/// Element e uses word e % 4 of Philox block (e/4, step) under the key `seed`. `begin` is the
/// number of x's first element.
template <class T>
void drop_elements(View<T, Cuda> x, double rate, std::uint64_t seed, std::uint64_t step,
                   Index begin = 0) {
  x.device().run(sweep_work<T>(x.shape(), 2), [&](kernels::Context& on) {
    kernels::drop_elements<T>(on, cuda::pixels(x), rate, seed, step, begin);
  });
}

}  // namespace retrace::inline RETRACE_ISA
