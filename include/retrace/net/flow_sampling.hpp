// Samples of a flow, and interpolation between latents.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "retrace/core/prior.hpp"
#include "retrace/layer/host_values.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of sample().
struct SampleOptions {
  Prior prior = Prior::normal;
  double temperature = 1;  ///< factor of the latents: below 1, samples are more likely
  std::uint64_t seed = 1;
};

/// Returns latents drawn from the prior, times the temperature. A seed gives the same ones every
/// time.
/// @throws std::invalid_argument unless the temperature is finite and not negative.
template <class T, Device D>
Tensor<T, D> prior_sample(D& device, Shape shape, const SampleOptions& options = {}) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    throw std::invalid_argument("sample: the temperature must be finite and not negative, got " +
                                std::to_string(options.temperature));
  Random random(options.seed, substream("latents"));
  std::vector<double> values(static_cast<std::size_t>(device.dry() ? 0 : shape.size()));
  for (double& value : values) {
    if (options.prior == Prior::normal) {
      value = random.normal();
    } else {
      const double u = (random.uniform() + 0x1p-54) / (1 + 0x1p-53);  // in (0, 1)
      value = std::log(u) - std::log1p(-u);
    }
    value *= options.temperature;
  }
  Tensor<T, D> z(device, shape);
  set_from_host(z.view(), values);
  return z;
}

/// Returns samples of a flow: the images of latents drawn from the prior.
/// @param latent  shape of the latents, which is that of the images for the networks of
/// net/flows.hpp
template <class T, Device D>
Tensor<T, D> sample(Chain<T, D>& net, D& device, Shape latent, const SampleOptions& options = {}) {
  Tensor<T, D> x = prior_sample<T>(device, latent, options);
  net.inverse(x, inference);
  return x;
}

/// Returns `steps` images between two: x(a) … x(b) with latents on the arc from z(a) to z(b). An
/// arc, unlike a line, keeps the length that latents of the prior have.
/// @throws std::invalid_argument unless there are 2 steps or more.
/// @throws ShapeError unless a and b are one image each, of one shape.
template <class T, Device D>
Tensor<T, D> interpolate(Chain<T, D>& net, const Tensor<T, D>& a, const Tensor<T, D>& b,
                         Index steps) {
  if (steps < 2)
    throw std::invalid_argument("interpolate: there must be 2 steps or more, got " +
                                std::to_string(steps));
  require_same_shape("interpolate", "a", a.shape(), "b", b.shape());
  if (a.shape().n != 1)
    throw ShapeError("interpolate: a is " + to_string(a.shape()) + " but must be one image");
  Tensor<T, D> za = clone(a), zb = clone(b);
  net.forward(za, inference);
  const Shape latent = za.shape();
  net.forward(zb, inference);
  const std::vector<double> from = to_host(za.view()), to = to_host(zb.view());
  double aa = 0, bb = 0, ab = 0;
  for (std::size_t i = 0; i < from.size(); ++i) {
    aa += from[i] * from[i];
    bb += to[i] * to[i];
    ab += from[i] * to[i];
  }
  const double cosine = aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 1;
  const double angle = std::acos(std::min(1.0, std::max(-1.0, cosine)));
  std::vector<double> all;
  for (Index step = 0; step < steps; ++step) {
    const double t = static_cast<double>(step) / static_cast<double>(steps - 1);
    const bool line = angle < 1e-6;
    const double u = line ? 1 - t : std::sin((1 - t) * angle) / std::sin(angle);
    const double v = line ? t : std::sin(t * angle) / std::sin(angle);
    for (std::size_t i = 0; i < from.size(); ++i) all.push_back(u * from[i] + v * to[i]);
  }
  Tensor<T, D> x(a.device(), {steps, latent.h, latent.w, latent.c});
  set_from_host(x.view(), all);
  net.inverse(x, inference);
  return x;
}

}  // namespace retrace::inline RETRACE_ISA
