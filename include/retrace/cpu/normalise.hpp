// Batch normalisation and activation on the host, fused into few passes over memory.
#pragma once

#include "retrace/core/channel_norm.hpp"
#include "retrace/cpu/channel_sums.hpp"
#include "retrace/cpu/store_block.hpp"
#include "retrace/math/activation.hpp"
#include "retrace/math/normalisation.hpp"

namespace retrace::inline RETRACE_ISA {

/// Records the statistics of a batch of `count` pixels: mean and 1/σ. With `update`, the running
/// averages move towards them; the running variance is the unbiased one.
template <class T>
void record_statistics(View<T, Cpu> mean, SameView<T, Cpu> inverse_deviation,
                       SameView<T, Cpu> running_mean, SameView<T, Cpu> running_variance,
                       View<const double, Cpu> batch_mean, View<const double, Cpu> batch_variance,
                       double count, double epsilon, double momentum, bool update) {
  mean.device().parallel(mean.shape().c, {}, [=](Index first, Index last, int) {
    const auto moved = [=](T running, double measured) {
      return static_cast<T>(math::moved_towards(static_cast<double>(running), measured, momentum));
    };
    for (Index c = first; c < last; ++c) {
      const double variance = batch_variance.data()[c];
      mean.data()[c] = static_cast<T>(batch_mean.data()[c]);
      inverse_deviation.data()[c] = static_cast<T>(math::inverse_deviation(variance, epsilon));
      if (!update) continue;
      const T new_mean = moved(running_mean.data()[c], batch_mean.data()[c]);
      const T new_variance = moved(running_variance.data()[c], variance * count / (count - 1));
      if (!math::finite(new_mean) || !math::finite(new_variance)) continue;
      running_mean.data()[c] = new_mean;
      running_variance.data()[c] = new_variance;
    }
  });
}

/// Uses the running averages as mean and 1/σ.
template <class T>
void recall_statistics(View<T, Cpu> mean, SameView<T, Cpu> inverse_deviation,
                       ConstView<T, Cpu> running_mean, ConstView<T, Cpu> running_variance,
                       double epsilon) {
  mean.device().parallel(mean.shape().c, {}, [=](Index first, Index last, int) {
    for (Index c = first; c < last; ++c) {
      mean.data()[c] = running_mean.data()[c];
      inverse_deviation.data()[c] = static_cast<T>(
          math::inverse_deviation(static_cast<double>(running_variance.data()[c]), epsilon));
    }
  });
}

/// Computes scale = s/σ and shift = β − μ·s/σ, with s from γ by `rule`.
template <class T>
void fold_normalisation(View<T, Cpu> scale, SameView<T, Cpu> shift, ConstView<T, Cpu> mean,
                        ConstView<T, Cpu> inverse_deviation, ConstView<T, Cpu> gamma,
                        ConstView<T, Cpu> beta, math::ScaleRule rule) {
  scale.device().parallel(scale.shape().c, {}, [=](Index first, Index last, int) {
    for (Index c = first; c < last; ++c) {
      scale.data()[c] = rule.scale(gamma.data()[c]) * inverse_deviation.data()[c];
      shift.data()[c] = beta.data()[c] - mean.data()[c] * scale.data()[c];
    }
  });
}

/// Computes dγ += ds/dγ·Σ g·z and dβ += Σ g, from sums = (Σ g, Σ g·z), [2, C].
template <class T>
void add_normalisation_gradient(View<T, Cpu> dgamma, SameView<T, Cpu> dbeta,
                                ConstView<T, Cpu> gamma, View<const double, Cpu> sums,
                                math::ScaleRule rule) {
  const Index channels = dgamma.shape().c;
  dgamma.device().parallel(channels, {}, [=](Index first, Index last, int) {
    for (Index c = first; c < last; ++c) {
      dbeta.data()[c] += static_cast<T>(sums.data()[c]);
      dgamma.data()[c] +=
          rule.derivative(gamma.data()[c]) * static_cast<T>(sums.data()[channels + c]);
    }
  });
}

namespace cpu {

/// The coefficients of W channels of a normalisation, in registers.
template <class T, int W>
struct NormBlock {
  Block<T, W> mean, inverse_deviation, scale, shift;

  NormBlock(const ChannelNorm<T, Cpu>& norm, Index channel)
      : mean(load<W>(norm.mean.data() + channel)),
        inverse_deviation(load<W>(norm.inverse_deviation.data() + channel)),
        scale(load<W>(norm.scale.data() + channel)),
        shift(load<W>(norm.shift.data() + channel)) {}

  Block<T, W> forward(Block<T, W> x) const { return scale * x + shift; }
  Block<T, W> inverse(Block<T, W> u) const { return (u - shift) / scale; }
  Block<T, W> standardised(Block<T, W> x) const { return (x - mean) * inverse_deviation; }
};

/// Returns dy·act′. `sign` is u or y, which have the same sign.
template <class B, class T>
B gated(B dy, B sign, T slope) {
  return sign > 0 ? dy : slope * dy;
}

}  // namespace cpu

/// Computes y = act(scale·x + shift). y may be x.
template <class T>
void normalise_activate(View<T, Cpu> y, ConstView<T, Cpu> x, const ChannelNorm<T, Cpu>& norm,
                        Activation activation) {
  const auto timed = y.device().timed(Operation::normalisation);
  const T slope = static_cast<T>(activation.slope);
  cpu::for_each_tile_block<T>(
      y.device(), y.shape(), sweep_work<T>(y.shape(), 2),
      [&]<int W>(Index first, Index last, Index channel) {
        const cpu::NormBlock<T, W> block(norm, channel);
        for (Index p = first; p < last; ++p)
          cpu::save<W>(y.pixel(p) + channel,
                       math::activate(block.forward(cpu::load<W>(x.pixel(p) + channel)), slope));
      });
}

/// Replaces y by x = (act⁻¹(y) − shift)/scale.
template <class T>
void invert_normalise_activate(View<T, Cpu> y, const ChannelNorm<T, Cpu>& norm,
                               Activation activation) {
  const auto timed = y.device().timed(Operation::normalisation);
  const T slope = static_cast<T>(activation.slope);
  cpu::for_each_tile_block<T>(
      y.device(), y.shape(), sweep_work<T>(y.shape(), 2),
      [&]<int W>(Index first, Index last, Index channel) {
        const cpu::NormBlock<T, W> block(norm, channel);
        for (Index p = first; p < last; ++p)
          cpu::save<W>(y.pixel(p) + channel,
                       block.inverse(math::deactivate(cpu::load<W>(y.pixel(p) + channel), slope)));
      });
}

namespace cpu {

/// Computes the sums of normalise_activate_sums over a tile.
template <class T>
struct NormalisedGradientTile {
  View<const T, Cpu> x, dy;
  ChannelNorm<T, Cpu> norm;
  T slope;

  template <int W>
  std::array<Block<T, W>, 2> operator()(Index first, Index last, Index channel) const {
    const NormBlock<T, W> block(norm, channel);
    std::array<Block<T, W>, 2> sum{};
    for (Index p = first; p < last; ++p) {
      const auto value = load<W>(x.pixel(p) + channel);
      const auto g = gated(load<W>(dy.pixel(p) + channel), block.forward(value), slope);
      sum[0] += g;
      sum[1] += g * block.standardised(value);
    }
    return sum;
  }
};

}  // namespace cpu

/// With g = dy·act′(scale·x + shift) and z the standardised x, computes sums = (Σ g, Σ g·z) per
/// channel, [2, C].
template <class T>
void normalise_activate_sums(View<double, Cpu> sums, View<T, Cpu> x, ConstView<T, Cpu> dy,
                             const ChannelNorm<std::remove_const_t<T>, Cpu>& norm,
                             Activation activation) {
  const auto timed = sums.device().timed(Operation::normalisation);
  using U = std::remove_const_t<T>;
  cpu::channel_sums<U, 2>(
      sums, x.shape(), 2,
      cpu::NormalisedGradientTile<U>{x, dy, norm, static_cast<U>(activation.slope)});
}

namespace cpu {

/// (mean g, mean(g·z)) of W channels.
template <class T, int W>
struct GradientMeans {
  Block<T, W> g, gz;

  GradientMeans(const GradientSums<Cpu>& batch, Index channel) {
    const auto count = static_cast<double>(batch.pixels);
    const Index channels = batch.sums.shape().c;
    std::array<T, W> means_g, means_gz;
    for (int i = 0; i < W; ++i) {
      const double* sums = batch.sums.data() + channel + i;
      means_g[static_cast<std::size_t>(i)] = static_cast<T>(sums[0] / count);
      means_gz[static_cast<std::size_t>(i)] = static_cast<T>(sums[channels] / count);
    }
    g = load<W>(means_g.data());
    gz = load<W>(means_gz.data());
  }
};

}  // namespace cpu

/// Computes dx = scale·(g − mean g − z·mean(g·z)), set or added; dx may be dy. With constant
/// statistics (all sums zero) this is scale·g.
template <class T>
void normalise_activate_backward(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> dy,
                                 const GradientSums<Cpu>& batch, const ChannelNorm<T, Cpu>& norm,
                                 Activation activation, Store how) {
  const auto timed = dx.device().timed(Operation::normalisation);
  const T slope = static_cast<T>(activation.slope);
  cpu::for_each_tile_block<T>(
      dx.device(), x.shape(), sweep_work<T>(x.shape(), how == Store::set ? 3 : 4),
      [&]<int W>(Index first, Index last, Index channel) {
        const cpu::NormBlock<T, W> block(norm, channel);
        const cpu::GradientMeans<T, W> mean(batch, channel);
        for (Index p = first; p < last; ++p) {
          const auto value = cpu::load<W>(x.pixel(p) + channel);
          const auto g =
              cpu::gated(cpu::load<W>(dy.pixel(p) + channel), block.forward(value), slope);
          cpu::store_block<W>(dx.pixel(p) + channel,
                              block.scale * (g - mean.g - block.standardised(value) * mean.gz),
                              how);
        }
      });
}

/// Computes dx −= scale·(mean g + z·mean(g·z)): the terms that normalise_activate_backward omits if
/// its sums are zero.
template <class T>
void take_off_gradient_means(View<T, Cpu> dx, ConstView<T, Cpu> x, const GradientSums<Cpu>& batch,
                             const ChannelNorm<T, Cpu>& norm) {
  cpu::for_each_tile_block<T>(
      dx.device(), x.shape(), sweep_work<T>(x.shape(), 3),
      [&]<int W>(Index first, Index last, Index channel) {
        const cpu::NormBlock<T, W> block(norm, channel);
        const cpu::GradientMeans<T, W> mean(batch, channel);
        for (Index p = first; p < last; ++p)
          cpu::store_block<W>(
              dx.pixel(p) + channel,
              block.scale *
                  (mean.g + block.standardised(cpu::load<W>(x.pixel(p) + channel)) * mean.gz),
              Store::subtract);
      });
}

/// Replaces y by x and dy by g = dy·act′, and computes sums = (Σ g, Σ g·z), [2, C], in one pass.
template <class T>
void invert_normalise_activate_sums(View<double, Cpu> sums, View<T, Cpu> y, SameView<T, Cpu> dy,
                                    const ChannelNorm<T, Cpu>& norm, Activation activation) {
  const auto timed = sums.device().timed(Operation::normalisation);
  const T slope = static_cast<T>(activation.slope);
  cpu::channel_sums<T, 2>(sums, y.shape(), 4, [&]<int W>(Index first, Index last, Index channel) {
    const cpu::NormBlock<T, W> block(norm, channel);
    std::array<cpu::Block<T, W>, 2> sum{};
    for (Index p = first; p < last; ++p) {
      const auto value = cpu::load<W>(y.pixel(p) + channel);
      const auto x = block.inverse(math::deactivate(value, slope));
      const auto g = cpu::gated(cpu::load<W>(dy.pixel(p) + channel), value, slope);
      cpu::save<W>(y.pixel(p) + channel, x);
      cpu::save<W>(dy.pixel(p) + channel, g);
      sum[0] += g;
      sum[1] += g * block.standardised(x);
    }
    return sum;
  });
}

/// Computes y = act(x), in place.
template <class T>
void activate(View<T, Cpu> x, Activation activation) {
  const auto timed = x.device().timed(Operation::normalisation);
  const T slope = static_cast<T>(activation.slope);
  const Index channels = x.shape().c;
  cpu::for_each_pixel(x, [=](T* row) {
    cpu::for_each_block<T>(channels, [=]<int W>(Index c) {
      cpu::save<W>(row + c, math::activate(cpu::load<W>(row + c), slope));
    });
  });
}

/// Replaces y by act⁻¹(y).
template <class T>
void deactivate(View<T, Cpu> y, Activation activation) {
  const auto timed = y.device().timed(Operation::normalisation);
  const T slope = static_cast<T>(activation.slope);
  const Index channels = y.shape().c;
  cpu::for_each_pixel(y, [=](T* row) {
    cpu::for_each_block<T>(channels, [=]<int W>(Index c) {
      cpu::save<W>(row + c, math::deactivate(cpu::load<W>(row + c), slope));
    });
  });
}

/// Replaces dy by dy·act′. `sign` is u or y, which have the same sign.
template <class T>
void activate_backward(View<T, Cpu> dy, ConstView<T, Cpu> sign, Activation activation) {
  const auto timed = dy.device().timed(Operation::normalisation);
  const T slope = static_cast<T>(activation.slope);
  const Index channels = dy.shape().c;
  cpu::for_each_pixel(
      dy,
      [=](T* row, const T* signs) {
        cpu::for_each_block<T>(channels, [=]<int W>(Index c) {
          cpu::save<W>(row + c, cpu::gated(cpu::load<W>(row + c), cpu::load<W>(signs + c), slope));
        });
      },
      sign);
}

}  // namespace retrace::inline RETRACE_ISA
