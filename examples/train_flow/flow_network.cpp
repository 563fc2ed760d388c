#include "flow_network.hpp"

#include <stdexcept>

#include "retrace/flows.hpp"

using namespace retrace;

namespace {

constexpr int most_levels = 3;

/// Steps of ActNorm, an invertible linear layer, which mixes the columns, and an affine coupling.
FlowNet real_nvp_of_rows(Cpu& device, const FlowChoice& choice, Index columns) {
  FlowParts<float, Cpu> make(device, choice.seed);
  const Index read = (columns + 1) / 2, mapped = columns - read;
  FlowNet net;
  for (int i = 0; i < choice.depth; ++i) {
    const std::string step = "step" + std::to_string(i);
    net.add(step + ".norm", make.act_norm(columns));
    net.add(step + ".linear", make.invertible_conv(columns));
    net.add(step + ".coupling",
            FlowCoupling(make.table_branch(read, choice.width, choice.hidden, 2 * mapped),
                         maps::Affine{}));
  }
  return net;
}

/// How often height and width can be halved.
int halvings(Shape image) {
  int count = 0;
  for (; image.h % 2 == 0 && image.w % 2 == 0; ++count) {
    image.h /= 2;
    image.w /= 2;
  }
  return count;
}

void require_fitting_options(const FlowChoice& choice, const FlowData& data) {
  if (choice.classes && choice.architecture != FlowArchitecture::glow)
    throw std::invalid_argument("--classes is for glow, but --arch is " +
                                std::string(name(choice.architecture)));
  if (choice.noise == FlowNoiseKind::variational && !data.images)
    throw std::invalid_argument(
        "--dequantization variational is for images, but the data is a table, whose whole numbers "
        "get uniform noise");
  if (choice.prior() == FlowPrior::learned && choice.architecture == FlowArchitecture::nice)
    throw std::invalid_argument(
        "--prior learned is not for nice, whose last layer scales and shifts every element "
        "already: use normal or logistic");
}

/// The layers between the noise and the prior.
FlowNet bijection(Cpu& device, const FlowChoice& choice, const FlowData& data,
                  const FlowCondition& condition) {
  using enum FlowArchitecture;
  const Shape image = data.shape;
  if (choice.architecture == glow)
    return retrace::glow<float>(device,
                                {.channels = image.c,
                                 .levels = choice.levels,
                                 .steps = choice.depth,
                                 .width = choice.width,
                                 .additive = choice.additive,
                                 .condition_channels = std::ssize(data.classes),
                                 .seed = choice.seed},
                                condition);
  if (choice.architecture == nice)
    return retrace::nice<float>(device, {.image = image,
                                         .couplings = choice.depth,
                                         .width = choice.width,
                                         .hidden = choice.hidden,
                                         .seed = choice.seed});
  if (choice.architecture == spline)
    return spline_flow<float>(device, {.features = image.c,
                                       .steps = choice.depth,
                                       .width = choice.width,
                                       .hidden = choice.hidden,
                                       .spline = {choice.spline_bins, choice.tail},
                                       .seed = choice.seed});
  if (!data.images) return real_nvp_of_rows(device, choice, image.c);
  return real_nvp<float>(device, {.channels = image.c,
                                  .levels = choice.levels,
                                  .couplings = choice.depth,
                                  .width = choice.width,
                                  .seed = choice.seed});
}

}  // namespace

std::string_view name(FlowArchitecture architecture) {
  constexpr std::array<std::string_view, 4> names{"nice", "realnvp", "glow", "spline"};
  return names[static_cast<std::size_t>(architecture)];
}

std::string_view name(FlowPrior prior) {
  constexpr std::array<std::string_view, 3> names{"normal", "logistic", "learned"};
  return names[static_cast<std::size_t>(prior)];
}
std::string_view name(FlowNoiseKind kind) {
  return kind == FlowNoiseKind::uniform ? "uniform" : "variational";
}

FlowPrior usual_prior(FlowArchitecture architecture) {
  return architecture == FlowArchitecture::nice ? FlowPrior::logistic : FlowPrior::normal;
}
Prior latent_prior(const FlowChoice& choice) {
  return choice.prior() == FlowPrior::logistic ? Prior::logistic : Prior::normal;
}

void fit_flow_to_data(FlowChoice& choice, bool open, const FlowData& data) {
  using enum FlowArchitecture;
  if (open) choice.architecture = data.images ? glow : spline;
  require_fitting_options(choice, data);
  if (!data.images) {
    if (choice.architecture == glow)
      throw std::invalid_argument(
          "--arch glow is for images, but the data is a table: use nice, realnvp or spline");
    return;
  }
  if (choice.architecture == spline)
    throw std::invalid_argument(
        "--arch spline is for tables, but the data has images: use nice, realnvp or glow");
  const int possible = halvings(data.shape);
  if (possible == 0)
    throw std::invalid_argument("the images are " + std::to_string(data.shape.h) + "x" +
                                std::to_string(data.shape.w) +
                                ", but height and width must be even");
  if (choice.levels > possible)
    throw std::invalid_argument("--levels is " + std::to_string(choice.levels) +
                                ", but images of " + std::to_string(data.shape.h) + "x" +
                                std::to_string(data.shape.w) + " can be halved " +
                                std::to_string(possible) + " times");
  if (choice.levels == 0) choice.levels = std::min(possible, most_levels);
}

std::string to_string(const FlowChoice& choice, const FlowData& data) {
  std::string text(name(choice.architecture));
  if (data.images) text += ", " + std::to_string(choice.levels) + " levels";
  text += ", depth " + std::to_string(choice.depth) + ", width " + std::to_string(choice.width) +
          ", prior " + std::string(name(choice.prior()));
  if (data.images) text += ", " + std::string(name(choice.noise)) + " noise";
  if (choice.classes) text += ", " + std::to_string(data.classes.size()) + " classes";
  return text + ", mode " + std::string(retrace::name(choice.mode));
}

FlowNet build_flow(Cpu& device, const FlowChoice& choice, const FlowData& data,
                   const FlowCondition& condition) {
  const Shape image = data.shape;
  FlowNet net;
  if (choice.noise == FlowNoiseKind::variational)
    net.add("noise",
            variational_dequantisation<float>(device, {.channels = image.c,
                                                       .bins = static_cast<double>(data.bins),
                                                       .seed = choice.seed}));
  net.add(bijection(device, choice, data, condition));
  if (choice.prior() == FlowPrior::learned)
    net.add("latent", ElementScale<float, Cpu>(device, net.output_shape(image)));
  net.set_mode(choice.mode);
  return net;
}
