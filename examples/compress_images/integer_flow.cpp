#include "integer_flow.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "retrace/cpu/operations.hpp"
#include "retrace/net/blocks.hpp"

using namespace retrace;

namespace {

constexpr int bits = 8;  ///< fraction bits: a step of the state is one value of a byte
constexpr float steps_per_unit = 256;

void require_sizes(const FlowSizes& sizes) {
  for (const auto& [name, value, most] : {std::tuple("height", sizes.height, Index{1} << 14),
                                          {"width", sizes.width, 1 << 14},
                                          {"channels", sizes.channels, 64},
                                          {"levels", sizes.levels, 6},
                                          {"couplings", sizes.couplings, 64},
                                          {"features", sizes.features, 1024}})
    if (value < 1 || value > most)
      throw std::invalid_argument("IntegerFlow: " + std::string(name) + " is " +
                                  std::to_string(value) + ", but must be 1 to " +
                                  std::to_string(most));
}

/// Three convolutions, of which the last is zero at first, so that a coupling begins as the
/// identity.
retrace::Branch<float, Cpu> branch(Blocks<float, Cpu>& make, Index in, Index features, Index out) {
  retrace::Branch<float, Cpu> result;
  auto last = make.linear(features, out);
  fill(last.weight().value.view(), 0.f);
  result.add("conv0", make.conv(in, features))
      .add("conv1", make.norm_act_conv(features, features, 3))
      .add("norm", make.norm(features))
      .add("linear", std::move(last));
  return result;
}

double sigmoid(double x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

/// −ln P of one integer, and its derivatives.
struct Cost {
  double nats, by_mean, by_log_scale;
};
Cost cost(double distance, double log_scale) {
  const double s = std::exp(std::clamp(log_scale, -4.0, 6.0));
  const double above = (distance + 0.5) / s, below = (distance - 0.5) / s;
  const double p =
      distance < 0 ? sigmoid(above) - sigmoid(below) : sigmoid(-below) - sigmoid(-above);
  if (p < 1e-12) {  // far from the mean: by the density
    const double u = distance / s, size = std::abs(u);
    const double slope = std::tanh(u / 2);  // of −ln density with respect to u
    return {size + 2 * std::log1p(std::exp(-size)) + std::log(s), -slope / s, 1 - slope * u};
  }
  const auto density = [](double u) { return sigmoid(u) * sigmoid(-u); };
  const double a = density(above), b = density(below);
  const double by_log_scale = (a * above - b * below) / p;
  // The coder has no narrower distributions, so nothing is gained below.
  return {-std::log(p), (a - b) / (s * p), log_scale < -4 && by_log_scale > 0 ? 0 : by_log_scale};
}

}  // namespace

double part_bits(const IntegerFlow::Part& part, double factor, IntegerFlow::Real* dvalues,
                 IntegerFlow::Real* dparameters) {
  const Index channels = part.values.shape().c, pixels = part.values.shape().pixels();
  constexpr double bits_per_nat = 1.4426950408889634;
  double sum = 0;
  for (Index pixel = 0; pixel < pixels; ++pixel)
    for (Index c = 0; c < channels; ++c) {
      const float* parameters = part.parameters.data() + pixel * 2 * channels;
      const double mean = static_cast<double>(parameters[c]) * steps_per_unit;
      const double log_scale = parameters[channels + c];
      const Index at = pixel * channels + c;
      const Cost of = cost(part.values.data()[at] - mean, log_scale);
      sum += of.nats;
      if (!dvalues) continue;
      const double by_unit = factor * bits_per_nat * steps_per_unit * of.by_mean;
      dvalues->data()[at] = static_cast<float>(-by_unit);
      float* d = dparameters->data() + pixel * 2 * channels;
      d[c] = static_cast<float>(by_unit);
      d[channels + c] = static_cast<float>(factor * bits_per_nat * of.by_log_scale);
    }
  return bits_per_nat * sum;
}

IntegerFlow::IntegerFlow(Device& device, const FlowSizes& sizes, std::uint64_t seed)
    : device_(device),
      sizes_((require_sizes(sizes), sizes)),
      format_(std::make_shared<StreamFormat>(math::most_fraction_bits<std::int32_t>)) {
  format_->choose(bits);
  Blocks<float, Cpu> make(device, {.seed = seed});
  using Rounded = RoundedBranch<Branch, std::int32_t, Cpu>;
  for (std::size_t level = 0; level < static_cast<std::size_t>(sizes.levels); ++level) {
    const Shape shape = output(level, 1);
    const Index half = shape.c / 2;
    Chain flow;
    flow.add("pool", ChannelPooling<std::int32_t, Cpu, float>());
    for (Index k = 0; k < sizes.couplings; ++k) {
      Rounded f(branch(make, half, sizes.features, half), format_);
      Rounded g(branch(make, half, sizes.features, half), format_);
      flow.add("coupling" + std::to_string(k),
               AdditiveCoupling<Rounded>(std::move(f), std::move(g)));
    }
    const bool last = level + 1 == static_cast<std::size_t>(sizes.levels);
    levels_.push_back(
        {std::move(flow), last ? Branch() : branch(make, half, sizes.features, 2 * half),
         Parameter<float, Cpu>(
             device, last ? with_channels(shape, 4 * half) : per_channel(2 * half), false)});
  }
}

IntegerFlow::Parameters IntegerFlow::parameters() {
  Parameters list;
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    const std::string name = "level" + std::to_string(level);
    levels_[level].flow.collect(name, list);
    levels_[level].prior.collect(name + ".prior", list);
    list.add(name + ".offset", levels_[level].offset);
  }
  return list;
}

Shape IntegerFlow::padded(Index images) const {
  const Index multiple = Index{1} << sizes_.levels;
  const auto up = [&](Index extent) { return (extent + multiple - 1) / multiple * multiple; };
  return {images, up(sizes_.height), up(sizes_.width), sizes_.channels};
}

Shape IntegerFlow::output(std::size_t level, Index images) const {
  const Shape x = padded(images);
  const Index scale = Index{2} << level;
  return {images, x.h / scale, x.w / scale, x.c << (level + 2)};
}

Index IntegerFlow::images_of(std::span<const std::uint8_t> pixels) const {
  return std::ssize(pixels) / (sizes_.height * sizes_.width * sizes_.channels);
}

IntegerFlow::State IntegerFlow::loaded(std::span<const std::uint8_t> pixels) const {
  State x(device_, padded(images_of(pixels)));
  const auto [n, h, w, c] = x.shape();
  for (Index pixel = 0; pixel < n * h * w; ++pixel) {
    // The padding repeats the last row and column.
    const Index column = std::min(pixel % w, sizes_.width - 1);
    const Index row = std::min(pixel / w % h, sizes_.height - 1);
    const Index from = ((pixel / (w * h) * sizes_.height + row) * sizes_.width + column) * c;
    for (Index channel = 0; channel < c; ++channel)
      x.data()[pixel * c + channel] = pixels[static_cast<std::size_t>(from + channel)] - 128;
  }
  return x;
}

IntegerFlow::Real IntegerFlow::predicted(std::size_t level, Index images, const State& x, Run run) {
  const Tensor<float, Cpu>& offset = levels_[level].offset.value;
  if (level + 1 == levels_.size()) {
    const Shape one = offset.shape();
    Real result(device_, {images, one.h, one.w, one.c});
    for (Index image = 0; image < images; ++image)
      copy(result.view().images(image, 1), offset.view());
    return result;
  }
  Real source(device_, x.shape()), result(device_, with_channels(x.shape(), offset.shape().c));
  widen(source.view(), x.view(), format_->step());
  levels_[level].prior.apply(result.view(), std::as_const(source).view(), run, Store::set);
  add_to_pixels(result.view(), offset.view());
  return result;
}

IntegerFlow::Part IntegerFlow::step(std::size_t level, State& x, Run run) {
  Chain& flow = levels_[level].flow;
  flow.forward(x, run, 0, flow.size());
  const Index images = x.shape().n;
  if (level + 1 == levels_.size()) return {clone(x), predicted(level, images, x, run)};
  const auto [stays, leaves] = halves(x.view());
  Part part{clone(leaves), Real::none(device_)};
  x = clone(stays);
  part.parameters = predicted(level, images, x, run);
  return part;
}

void IntegerFlow::initialise(std::span<const std::uint8_t> pixels) {
  constexpr double least = 4, logistic_per_deviation = 0.5513;  // √3/π
  const std::vector<Part> parts = encode(pixels);
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    const Tensor<std::int32_t, Cpu>& values = parts[level].values;
    Tensor<float, Cpu>& offset = levels_[level].offset.value;
    const Index channels = values.shape().c, groups = offset.shape().pixels();
    const Index each = values.shape().pixels() / groups;  // of pixel g, g + groups, …
    for (Index i = 0; i < groups * channels; ++i) {
      double sum = 0, squares = 0;
      for (Index k = 0; k < each; ++k) {
        const double value = values.data()[i + k * groups * channels];
        sum += value;
        squares += value * value;
      }
      const double mean = sum / static_cast<double>(each);
      const double deviation =
          std::sqrt(std::max(squares / static_cast<double>(each) - mean * mean, 0.0));
      float* of = offset.data() + i / channels * 2 * channels + i % channels;
      of[0] = static_cast<float>(mean / steps_per_unit);
      of[channels] =
          static_cast<float>(std::log(std::max(least, logistic_per_deviation * deviation)));
    }
  }
}

std::vector<IntegerFlow::Part> IntegerFlow::encode(std::span<const std::uint8_t> pixels) {
  State x = loaded(pixels);
  std::vector<Part> parts;
  for (std::size_t level = 0; level < levels_.size(); ++level)
    parts.push_back(step(level, x, inference));
  return parts;
}

std::vector<std::uint8_t> IntegerFlow::decode(Index images, const Decode& part) {
  State x = State::none(device_);
  for (std::size_t level = levels_.size(); level-- > 0;) {
    const bool last = level + 1 == levels_.size();
    const Shape shape = output(level, images);
    State values(device_, last ? shape : half_of(shape));
    part(level, predicted(level, images, x, inference), values);
    if (last) {
      x = std::move(values);
    } else {
      State whole(device_, shape);
      const auto [stays, leaves] = halves(whole.view());
      copy(stays, std::as_const(x).view());
      copy(leaves, std::as_const(values).view());
      x = std::move(whole);
    }
    levels_[level].flow.inverse(x, inference);
  }
  std::vector<std::uint8_t> pixels;
  pixels.reserve(static_cast<std::size_t>(images * sizes_.height * sizes_.width * sizes_.channels));
  const auto [n, h, w, c] = x.shape();
  for (Index pixel = 0; pixel < n * h * w; ++pixel) {
    if (pixel % w >= sizes_.width || pixel / w % h >= sizes_.height) continue;
    for (Index channel = 0; channel < c; ++channel)
      pixels.push_back(static_cast<std::uint8_t>(x.data()[pixel * c + channel] + 128));
  }
  return pixels;
}

void IntegerFlow::back(std::size_t level, State& x, const State& values, Real& dx,
                       const Real& dvalues, const Real& dparameters) {
  Parameter<float, Cpu>& offset = levels_[level].offset;
  if (level + 1 == levels_.size()) {
    x = clone(values);
    dx = clone(dvalues, Use::gradient);
    offset.accumulate([&](View<float, Cpu> db) {
      for (Index image = 0; image < dparameters.shape().n; ++image)
        add(db, dparameters.view().images(image, 1), Store::add);
    });
  } else {
    Real source(device_, x.shape());
    widen(source.view(), std::as_const(x).view(), format_->step());
    levels_[level].prior.gradient(std::as_const(source).view(), dparameters.view(), dx.view(),
                                  Store::add);
    offset.accumulate([&](View<float, Cpu> db) { add_pixel_sums(db, dparameters.view()); });
    const Shape shape = output(level, x.shape().n);
    State whole(device_, shape);
    Real dwhole(device_, shape, Use::gradient);
    copy(whole.view().channels(0, shape.c / 2), std::as_const(x).view());
    copy(whole.view().channels(shape.c / 2, shape.c / 2), values.view());
    copy(dwhole.view().channels(0, shape.c / 2), std::as_const(dx).view());
    copy(dwhole.view().channels(shape.c / 2, shape.c / 2), dvalues.view());
    x = std::move(whole);
    dx = std::move(dwhole);
  }
  Chain& flow = levels_[level].flow;
  flow.backward(x, dx, 0, flow.size());
}

double IntegerFlow::accumulate_gradients(std::span<const std::uint8_t> pixels) {
  State x = loaded(pixels);
  const double factor = 1 / static_cast<double>(pixels.size());
  std::vector<Part> parts;
  std::vector<std::pair<Real, Real>> gradients;
  double sum = 0;
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    parts.push_back(step(level, x, training));
    const Part& part = parts.back();
    gradients.emplace_back(Real(device_, part.values.shape(), Use::gradient),
                           Real(device_, part.parameters.shape(), Use::gradient));
    sum += part_bits(part, factor, &gradients.back().first, &gradients.back().second);
  }
  Real dx = Real::none(device_);
  for (std::size_t level = levels_.size(); level-- > 0;)
    back(level, x, parts[level].values, dx, gradients[level].first, gradients[level].second);
  return factor * sum;
}

double IntegerFlow::bits_per_dimension(std::span<const std::uint8_t> pixels) {
  double sum = 0;
  for (const Part& part : encode(pixels)) sum += part_bits(part, 0, nullptr, nullptr);
  return sum / static_cast<double>(pixels.size());
}
