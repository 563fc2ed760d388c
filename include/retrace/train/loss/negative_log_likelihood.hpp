// The negative log-likelihood of a flow.
#pragma once

#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "retrace/core/prior.hpp"
#include "retrace/layer/host_values.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/train/loss/loss.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of a negative log-likelihood.
struct LikelihoodOptions {
  Prior prior = Prior::normal;  ///< of the elements of the latent
  /// Unless 0, the loss is in bits per dimension of data with that many integer values, such as
  /// 256, that x holds divided by their number: x in [0, 1] after dequantisation. If 0, the loss is
  /// in nats per image.
  double bins = 0;
};

/// Returns the bits per dimension of a log-density in nats, of an image of `dimensions` elements
/// that holds integers divided by `bins`.
inline double bits_per_dimension(double log_density, double dimensions, double bins) {
  return std::log2(bins) - log_density / (dimensions * std::log(2.0));
}

/// −log p(x) = −log p(z) − log|det ∂z/∂x| with z = net(x), as a mean over images.
///
///     accumulate_gradients(net, x, negative_log_likelihood({.bins = 256}));
class NegativeLogLikelihood {
 public:
  /// @throws std::invalid_argument unless bins is 0 or at least 2.
  explicit NegativeLogLikelihood(const LikelihoodOptions& options = {}) : options_(options) {
    if (options.bins != 0 && !(options.bins >= 2 && std::isfinite(options.bins)))
      throw std::invalid_argument("negative_log_likelihood: bins must be 0 or at least 2, got " +
                                  std::to_string(options.bins));
  }

  template <class T, Device D>
  LossValue operator()(const Tensor<T, D>& z, Tensor<T, D>& dz, LogDet<D>& log_det) const {
    const Index images = log_det.value.shape().n;
    const double unit = images == 0 ? 1 : unit_of(z.shape(), images);
    const double of_image = images == 0 ? 0 : 1 / (unit * static_cast<double>(images));
    log_det.gradient = -of_image;
    LossValue value{.weight = static_cast<double>(images)};
    for (const double density : log_densities(z, dz, log_det, -of_image))
      value.sum += (options_.bins > 0 ? std::log2(options_.bins) : 0) - density / unit;
    return value;
  }

  /// Returns log p(x) of every image in nats, such as an anomaly score.
  template <class T, Device D>
  std::vector<double> log_densities(const Tensor<T, D>& z, const LogDet<D>& log_det) const {
    Tensor<T, D> unused(z.device(), z.shape(), Use::gradient);
    return log_densities(z, unused, log_det, 0);
  }

  const LikelihoodOptions& options() const { return options_; }

 private:
  template <class T, Device D>
  std::vector<double> log_densities(const Tensor<T, D>& z, Tensor<T, D>& dz,
                                    const LogDet<D>& log_det, double factor) const {
    Tensor<double, D> sum = clone(log_det.value, Use::workspace);
    prior_log_density(sum.view(), dz.view(), z.view(), options_.prior, factor);
    return to_host(std::as_const(sum).view());
  }

  /// Nats in a unit of the loss: 1, or those of a bit in every dimension.
  double unit_of(Shape z, Index images) const {
    const Index each = z.size() / images;
    const auto dimensions = static_cast<double>(each);
    return options_.bins > 0 ? dimensions * std::log(2.0) : 1;
  }

  LikelihoodOptions options_;
};

inline NegativeLogLikelihood negative_log_likelihood(const LikelihoodOptions& options = {}) {
  return NegativeLogLikelihood(options);
}

}  // namespace retrace::inline RETRACE_ISA
