// Batch normalisation, activation and biases on a GPU, fused into few passes over memory.
#pragma once

#include "retrace/core/channel_norm.hpp"
#include "retrace/cuda/elementwise.hpp"
#include "retrace/math/normalisation.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cuda {

template <class T>
kernels::Norm<T> norm_of(const ChannelNorm<T, Cuda>& norm) {
  return {norm.mean.data(), norm.inverse_deviation.data(), norm.scale.data(), norm.shift.data()};
}
inline kernels::Sums sums_of(const GradientSums<Cuda>& batch) {
  return {batch.sums.data(), batch.pixels};
}

inline Tensor<double, Cuda> channel_scratch(Cuda& device, Shape x, Index values) {
  return scratch(device, kernels::reduction_scratch(x.pixels(), values, x.c));
}

}  // namespace cuda

/// Computes the mean and the biased variance of every channel of x over its pixels.
/// @pre mean and variance hold one value per channel, and x has a pixel.
template <class T>
void channel_moments(View<T, Cuda> x, View<double, Cuda> mean, View<double, Cuda> variance) {
  auto scratch = cuda::channel_scratch(x.device(), x.shape(), 3);
  x.device().run(sweep_work<T>(x.shape(), 1), [&](kernels::Context& on) {
    kernels::channel_moments<std::remove_const_t<T>>(on, cuda::pixels(x), mean.data(),
                                                     variance.data(), scratch.data());
  });
}

/// Records the statistics of a batch of `count` pixels: mean and 1/σ. With `update`, the running
/// averages move towards them; the running variance is the unbiased one.
template <class T>
void record_statistics(View<T, Cuda> mean, SameView<T, Cuda> inverse_deviation,
                       SameView<T, Cuda> running_mean, SameView<T, Cuda> running_variance,
                       View<const double, Cuda> batch_mean, View<const double, Cuda> batch_variance,
                       double count, double epsilon, double momentum, bool update) {
  mean.device().run({}, [&](kernels::Context& on) {
    kernels::record_statistics<T>(on, mean.data(), inverse_deviation.data(), running_mean.data(),
                                  running_variance.data(), batch_mean.data(), batch_variance.data(),
                                  mean.shape().c, count, epsilon, momentum, update);
  });
}

/// Uses the running averages as mean and 1/σ.
template <class T>
void recall_statistics(View<T, Cuda> mean, SameView<T, Cuda> inverse_deviation,
                       ConstView<T, Cuda> running_mean, ConstView<T, Cuda> running_variance,
                       double epsilon) {
  mean.device().run({}, [&](kernels::Context& on) {
    kernels::recall_statistics<T>(on, mean.data(), inverse_deviation.data(), running_mean.data(),
                                  running_variance.data(), mean.shape().c, epsilon);
  });
}

/// Computes scale = s/σ and shift = β − μ·s/σ, with s from γ by `rule`.
template <class T>
void fold_normalisation(View<T, Cuda> scale, SameView<T, Cuda> shift, ConstView<T, Cuda> mean,
                        ConstView<T, Cuda> inverse_deviation, ConstView<T, Cuda> gamma,
                        ConstView<T, Cuda> beta, math::ScaleRule rule) {
  scale.device().run({}, [&](kernels::Context& on) {
    kernels::fold_normalisation<T>(on, scale.data(), shift.data(), mean.data(),
                                   inverse_deviation.data(), gamma.data(), beta.data(),
                                   scale.shape().c, rule.positive, rule.floor);
  });
}

/// Computes dγ += ds/dγ·Σ g·z and dβ += Σ g, from sums = (Σ g, Σ g·z), [2, C].
template <class T>
void add_normalisation_gradient(View<T, Cuda> dgamma, SameView<T, Cuda> dbeta,
                                ConstView<T, Cuda> gamma, View<const double, Cuda> sums,
                                math::ScaleRule rule) {
  dgamma.device().run({}, [&](kernels::Context& on) {
    kernels::add_normalisation_gradient<T>(on, dgamma.data(), dbeta.data(), gamma.data(),
                                           sums.data(), dgamma.shape().c, rule.positive);
  });
}

/// Computes y = act(scale·x + shift). y may be x.
template <class T>
void normalise_activate(View<T, Cuda> y, ConstView<T, Cuda> x, const ChannelNorm<T, Cuda>& norm,
                        Activation activation) {
  y.device().run(sweep_work<T>(y.shape(), 2), [&](kernels::Context& on) {
    kernels::normalise_activate<T>(on, cuda::pixels(y), cuda::pixels(x), cuda::norm_of(norm),
                                   static_cast<T>(activation.slope));
  });
}

/// Replaces y by x = (act⁻¹(y) − shift)/scale.
template <class T>
void invert_normalise_activate(View<T, Cuda> y, const ChannelNorm<T, Cuda>& norm,
                               Activation activation) {
  y.device().run(sweep_work<T>(y.shape(), 2), [&](kernels::Context& on) {
    kernels::invert_normalise_activate<T>(on, cuda::pixels(y), cuda::norm_of(norm),
                                          static_cast<T>(activation.slope));
  });
}

/// With g = dy·act′(scale·x + shift) and z the standardised x, computes sums = (Σ g, Σ g·z) per
/// channel, [2, C].
template <class T>
void normalise_activate_sums(View<double, Cuda> sums, View<T, Cuda> x, ConstView<T, Cuda> dy,
                             const ChannelNorm<std::remove_const_t<T>, Cuda>& norm,
                             Activation activation) {
  using U = std::remove_const_t<T>;
  auto scratch = cuda::channel_scratch(x.device(), x.shape(), 2);
  x.device().run(sweep_work<U>(x.shape(), 2), [&](kernels::Context& on) {
    kernels::normalise_activate_sums<U>(on, sums.data(), cuda::pixels(x), cuda::pixels(dy),
                                        cuda::norm_of(norm), static_cast<U>(activation.slope),
                                        scratch.data());
  });
}

/// Computes dx = scale·(g − mean g − z·mean(g·z)), set or added; dx may be dy. With constant
/// statistics (all sums zero) this is scale·g.
template <class T>
void normalise_activate_backward(View<T, Cuda> dx, ConstView<T, Cuda> x, ConstView<T, Cuda> dy,
                                 const GradientSums<Cuda>& batch, const ChannelNorm<T, Cuda>& norm,
                                 Activation activation, Store how) {
  dx.device().run(sweep_work<T>(x.shape(), how == Store::set ? 3 : 4), [&](kernels::Context& on) {
    kernels::normalise_activate_backward<T>(on, cuda::pixels(dx), cuda::pixels(x), cuda::pixels(dy),
                                            cuda::sums_of(batch), cuda::norm_of(norm),
                                            static_cast<T>(activation.slope), how);
  });
}

/// Computes dx −= scale·(mean g + z·mean(g·z)): the terms that normalise_activate_backward omits if
/// its sums are zero.
template <class T>
void take_off_gradient_means(View<T, Cuda> dx, ConstView<T, Cuda> x,
                             const GradientSums<Cuda>& batch, const ChannelNorm<T, Cuda>& norm) {
  dx.device().run(sweep_work<T>(x.shape(), 3), [&](kernels::Context& on) {
    kernels::take_off_gradient_means<T>(on, cuda::pixels(dx), cuda::pixels(x), cuda::sums_of(batch),
                                        cuda::norm_of(norm));
  });
}

/// Replaces y by x and dy by g = dy·act′, and computes sums = (Σ g, Σ g·z), [2, C], in one pass.
template <class T>
void invert_normalise_activate_sums(View<double, Cuda> sums, View<T, Cuda> y, SameView<T, Cuda> dy,
                                    const ChannelNorm<T, Cuda>& norm, Activation activation) {
  auto scratch = cuda::channel_scratch(y.device(), y.shape(), 2);
  y.device().run(sweep_work<T>(y.shape(), 4), [&](kernels::Context& on) {
    kernels::invert_normalise_activate_sums<T>(on, sums.data(), cuda::pixels(y), cuda::pixels(dy),
                                               cuda::norm_of(norm),
                                               static_cast<T>(activation.slope), scratch.data());
  });
}

/// Computes y = act(x), in place.
template <class T>
void activate(View<T, Cuda> x, Activation activation) {
  x.device().run(sweep_work<T>(x.shape(), 2), [&](kernels::Context& on) {
    kernels::activate<T>(on, cuda::pixels(x), static_cast<T>(activation.slope));
  });
}

/// Replaces y by act⁻¹(y).
template <class T>
void deactivate(View<T, Cuda> y, Activation activation) {
  y.device().run(sweep_work<T>(y.shape(), 2), [&](kernels::Context& on) {
    kernels::deactivate<T>(on, cuda::pixels(y), static_cast<T>(activation.slope));
  });
}

/// Replaces dy by dy·act′. `sign` is u or y, which have the same sign.
template <class T>
void activate_backward(View<T, Cuda> dy, ConstView<T, Cuda> sign, Activation activation) {
  dy.device().run(sweep_work<T>(dy.shape(), 3), [&](kernels::Context& on) {
    kernels::activate_backward<T>(on, cuda::pixels(dy), cuda::pixels(sign),
                                  static_cast<T>(activation.slope));
  });
}

/// Computes x[pixel] += bias, [C], at every pixel.
template <class T>
void add_to_pixels(View<T, Cuda> x, ConstView<T, Cuda> bias) {
  x.device().run(sweep_work<T>(x.shape(), 2), [&](kernels::Context& on) {
    kernels::add_to_pixels<T>(on, cuda::pixels(x), bias.data());
  });
}

/// Computes sums, [C], += Σ over the pixels of x.
template <class T>
void add_pixel_sums(View<T, Cuda> sums, ConstView<T, Cuda> x) {
  auto totals = cuda::scratch(x.device(), x.shape().c);
  auto scratch = cuda::channel_scratch(x.device(), x.shape(), 1);
  x.device().run(sweep_work<T>(x.shape(), 1), [&](kernels::Context& on) {
    kernels::channel_sums<T>(on, cuda::pixels(x), totals.data(), scratch.data());
    kernels::add_sums<T>(on, sums.data(), totals.data(), x.shape().c);
  });
}

}  // namespace retrace::inline RETRACE_ISA
