#include "flow_results.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <ostream>
#include <sstream>

#include "flow_pictures.hpp"
#include "retrace/train/durable_file.hpp"
#include "text.hpp"

using namespace retrace;

namespace {

using State = FlowNet::State;
using Clock = std::chrono::steady_clock;

constexpr Index batch_of_scores = 100;

template <class Body>
double seconds_of(Body body) {
  const auto start = Clock::now();
  body();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<float> values_of(const State& x) {
  std::vector<float> values(static_cast<std::size_t>(x.shape().size()));
  download(std::span(values), x.view());
  return values;
}

std::vector<Picture> pictures_of(const State& x, const FlowData& data) {
  const auto [n, h, w, c] = x.shape();
  const std::vector<float> values = values_of(x);
  std::vector<Picture> pictures;
  for (Index image = 0; image < n; ++image) {
    Picture picture{h, w, c, {}};
    for (Index i = 0; i < h * w * c; ++i)
      picture.pixels.push_back(
          data.to_byte(values[static_cast<std::size_t>(image * h * w * c + i)]));
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  DurableFile file(path);
  file.write(text);
  file.commit();
}

Index enlargement_for(Shape image) { return std::max<Index>(1, 64 / std::max(image.h, image.w)); }

/// A trained flow and where its results go.
struct Results {
  std::ostream& out;
  FlowTrainer& trainer;
  Cpu& device;
  const FlowOptions& options;
  const FlowData& data;

  std::filesystem::path file(const char* name) const { return options.results / name; }
  Shape shape(Index samples) const { return {samples, data.shape.h, data.shape.w, data.shape.c}; }
  State tests(std::vector<Index> indices) const {
    return trainer.batch(data.test, indices, noise_of_tests);
  }
  /// Samples, of the classes that have been set.
  State drawn(Index samples, double temperature) const {
    return sample(
        trainer.net(), device, trainer.net().output_shape(shape(samples)),
        {.prior = latent_prior(options.net), .temperature = temperature, .seed = options.seed});
  }
};

/// The columns of samples.png: with classes, the samples of each.
Index columns_of_samples(const Results& of) {
  const Index samples = of.options.samples, classes = std::ssize(of.data.classes);
  if (classes > 0) return (samples + classes - 1) / classes;
  return static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(samples))));
}

void write_samples(const Results& of) {
  const Index columns = columns_of_samples(of), classes = std::ssize(of.data.classes);
  const Index samples = classes > 0 ? classes * columns : of.options.samples;
  std::vector<std::int32_t> labels;
  for (Index i = 0; i < samples; ++i) labels.push_back(static_cast<std::int32_t>(i / columns));
  of.trainer.set_classes(labels);
  State x = State::none(of.device);
  const double seconds = seconds_of([&] { x = of.drawn(samples, of.options.temperature); });
  of.out << samples << " samples in " << fixed(seconds, 2) << " s\n";
  for (std::size_t i = 0; i < of.data.classes.size(); ++i)
    of.out << (i ? ", " : "rows of samples.png: ") << of.data.classes[i]
           << (i + 1 < of.data.classes.size() ? "" : "\n");
  if (of.data.images) {
    write_png(of.file("samples.png"),
              grid(pictures_of(x, of.data), columns, enlargement_for(of.data.shape)));
    return;
  }
  std::ostringstream text;
  const auto fields = of.data.columns.size();
  for (std::size_t i = 0; i < fields; ++i) text << (i ? "," : "") << of.data.columns[i];
  const std::vector<float> values = values_of(x);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t column = i % fields;
    double value = values[i] * of.data.deviation[column] + of.data.mean[column];
    if (of.data.integers[column]) value = std::floor(value);  // without the noise
    text << (column ? "," : "\n") << value;
  }
  write_text(of.file("samples.csv"), text.str() + '\n');
}

/// Returns up to four pairs of test images, each of one class if there are classes.
std::vector<std::array<Index, 2>> pairs_of_tests(const FlowData& data) {
  constexpr std::size_t most = 4;
  const auto tests = static_cast<std::size_t>(data.test.count);
  const std::vector<std::int32_t> labels =
      data.classes.empty() ? std::vector<std::int32_t>(tests, 0) : data.test.labels;
  std::vector<std::array<Index, 2>> pairs;
  std::map<std::int32_t, Index> waiting;  // an image of each class that has no partner
  for (std::size_t i = 0; i < tests && pairs.size() < most; ++i) {
    const auto [other, is_first] = waiting.emplace(labels[i], static_cast<Index>(i));
    if (is_first) continue;
    pairs.push_back({other->second, static_cast<Index>(i)});
    waiting.erase(other);
  }
  return pairs;
}

void write_interpolations(const Results& of) {
  constexpr Index steps = 10;
  std::vector<Picture> all;
  for (const auto& [a, b] : pairs_of_tests(of.data)) {
    const State from = of.tests({a}), to = of.tests({b});
    const State x = interpolate(of.trainer.net(), from, to, steps);
    for (Picture& each : pictures_of(x, of.data)) all.push_back(std::move(each));
  }
  write_png(of.file("interpolation.png"), grid(all, steps, enlargement_for(of.data.shape)));
}

/// Runs some layers forward and back, for every number of layers.
void write_reconstruction(const Results& of) {
  std::vector<Index> first(static_cast<std::size_t>(std::min<Index>(32, of.data.test.count)));
  std::iota(first.begin(), first.end(), Index{0});
  const State original = of.tests(first);
  FlowNet& net = of.trainer.net();
  std::ostringstream text;
  text << "layers,last layer,largest error,decibels\n";
  double worst = 0;
  for (std::size_t layers = 1; layers <= net.size(); ++layers) {
    State x = clone(original);
    net.FlowNet::Sequence::forward(x, inference, 0, layers);
    net.FlowNet::Sequence::inverse(x, inference, 0, layers);
    const std::vector<float> from = values_of(original), to = values_of(x);
    double largest = 0;
    for (std::size_t i = 0; i < from.size(); ++i)
      largest = std::max(largest, std::abs(static_cast<double>(to[i]) - from[i]));
    text << layers << ',' << net.name(layers - 1) << ',' << largest << ','
         << signal_noise(original.view(), std::as_const(x).view()).decibels() << '\n';
    worst = std::max(worst, largest);
  }
  write_text(of.file("reconstruction.csv"), text.str());
  of.out << "forward and back: the largest error of " << first.size() << " samples is " << worst
         << '\n';
}

struct Score {
  Index sample;
  double nats;  ///< log-density
};

std::vector<Score> scores_of(const Results& of, const FlowSamples& part) {
  std::vector<Score> scores;
  std::vector<Index> indices;
  for (Index first = 0; first < part.count; first += std::ssize(indices)) {
    indices.resize(static_cast<std::size_t>(std::min(batch_of_scores, part.count - first)));
    std::iota(indices.begin(), indices.end(), first);
    State z = of.trainer.batch(part, indices, noise_of_tests);
    LogDet<Cpu> log_det(of.device, z.shape().n);
    of.trainer.net().forward(z, inference, &log_det);
    for (const double nats : of.trainer.loss().log_densities(z, log_det))
      scores.push_back({std::ssize(scores), nats});
  }
  return scores;
}

void write_scores(const Results& of) {
  const bool own = of.options.score.empty();
  const FlowSamples other =
      own ? FlowSamples{} : read_flow_samples(of.options.score, of.data, of.options.data);
  const FlowSamples& part = own ? of.data.test : other;
  std::vector<Score> scores = scores_of(of, part);
  std::stable_sort(scores.begin(), scores.end(),
                   [](const Score& a, const Score& b) { return a.nats < b.nats; });
  std::ostringstream text;
  text << "sample,log-density" << (of.data.images ? ",bits per dimension" : "") << '\n';
  for (const Score& score : scores) {
    const auto at = static_cast<std::size_t>(score.sample);
    text << (at < part.names.size() ? '"' + part.names[at] + '"' : std::to_string(score.sample))
         << ',' << score.nats;
    if (of.data.images)
      text << ','
           << bits_per_dimension(score.nats, static_cast<double>(of.data.shape.size()),
                                 of.data.bins);
    text << '\n';
  }
  write_text(of.file("scores.csv"), text.str());
  of.out << "the least likely of " << scores.size() << " samples: "
         << text.str().substr(
                text.str().find('\n') + 1,
                text.str().find('\n', text.str().find('\n') + 1) - text.str().find('\n') - 1)
         << '\n';
}

/// Draws the test samples, the density and samples of the flow, all of standardised columns.
void write_density(const Results& of) {
  constexpr Index side = 256;
  constexpr double low = -2.5, high = 2.5, step = (high - low) / side;
  FlowNet& net = of.trainer.net();
  std::vector<double> densities;
  for (Index row = 0; row < side; ++row) {
    std::vector<float> points;
    for (Index column = 0; column < side; ++column) {
      points.push_back(static_cast<float>(low + (static_cast<double>(column) + 0.5) * step));
      points.push_back(static_cast<float>(high - (static_cast<double>(row) + 0.5) * step));
    }
    State z(of.device, of.shape(side));
    upload(z.view(), std::span<const float>(points));
    LogDet<Cpu> log_det(of.device, side);
    net.forward(z, inference, &log_det);
    for (const double nats : of.trainer.loss().log_densities(z, log_det)) densities.push_back(nats);
  }
  const Index points = std::min<Index>(2000, of.data.test.count);
  std::vector<Index> indices(static_cast<std::size_t>(points));
  std::iota(indices.begin(), indices.end(), Index{0});
  Picture test = density_picture(std::vector<double>(side * side, -1e9), side, side);
  std::fill(test.pixels.begin(), test.pixels.end(), std::uint8_t{255});
  Picture samples = test;
  draw_points(test, values_of(of.tests(indices)), low, high, 59, 82, 139);
  draw_points(samples, values_of(of.drawn(points, 1)), low, high, 200, 60, 40);
  write_png(of.file("density.png"),
            in_a_row({test, density_picture(densities, side, side), samples}));
}

}  // namespace

void write_flow_results(std::ostream& out, FlowTrainer& trainer, Cpu& device,
                        const FlowOptions& options, const FlowData& data) {
  std::filesystem::create_directories(options.results);
  const Results of{out, trainer, device, options, data};
  write_samples(of);
  write_reconstruction(of);
  write_scores(of);
  if (data.images && data.test.count >= 2) write_interpolations(of);
  if (!data.images && data.shape.c == 2) write_density(of);
  out << "results are in " << options.results.string() << '\n';
}
