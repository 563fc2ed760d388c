// Determines the costs of each layer in each mode: bytes by a dry run, seconds by measurement.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "retrace/math/philox.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/train/assignment.hpp"
#include "retrace/train/cost_cache.hpp"
#include "retrace/train/step.hpp"

namespace retrace::inline RETRACE_ISA {

/// The work of a layer in one mode, in a pass that restores its input and in one that does not.
/// Equal work takes equal time.
struct LayerWork {
  /// The cost of one layer in one kind of pass.
  struct InPass {
    std::int64_t forward = 0, backward = 0;  ///< multiply-adds
    std::int64_t kept = 0;                   ///< bytes
    bool operator==(const InPass&) const = default;
  };
  InPass restoring, careless;
  bool operator==(const LayerWork&) const = default;

  /// Returns the text that identifies the work in the file of measured times.
  std::string key() const {
    std::string text;
    for (const InPass& pass : {restoring, careless})
      for (std::int64_t number : {pass.forward, pass.backward, pass.kept})
        text += std::to_string(number) + ' ';
    return text;
  }
};

/// Dry-runs layers one by one and times them in steps on batches of noise. Weights and running
/// averages do not change. Modes are set, gradients are added to, and dropout advances its random
/// numbers.
template <class T, Device D>
class LayerProbe {
 public:
  using Net = Chain<T, D>;
  using State = typename Net::State;
  using Gradient = typename Net::Gradient;
  /// Called with the number of modes that have been timed and the number of all.
  using Progress = std::function<void(std::size_t done, std::size_t all)>;

  LayerProbe(Net& net, D& device) : net_(net), device_(device) {}

  /// Returns the options of every layer for a batch of the given shape. Times are 0. A mode that
  /// does not differ from an earlier one is omitted.
  std::vector<LayerOptions> bytes(Shape batch) {
    net_.set_mode(Mode::stored);  // no layer is recomputed
    std::vector<LayerOptions> layers;
    typename D::Rehearsal rehearsal(device_);
    const AbsentGradients<T, D> absent(net_.parameters());
    State x(device_, batch);
    for (std::size_t i = 0; i < net_.size(); ++i) {
      LayerOptions layer;
      layer.input = size(x.shape());
      std::vector<Rehearsed> seen;
      for (Mode mode : all_modes) {
        Rehearsed result = rehearse(i, mode, x.shape());
        const auto same = [&](const Rehearsed& earlier) {
          return earlier.work == result.work && earlier.traffic == result.traffic;
        };
        if (std::any_of(seen.begin(), seen.end(), same)) continue;
        layer.options.push_back(result.option);
        seen.push_back(std::move(result));
      }
      net_.forward(x, preview(training), i, i + 1);
      layer.output = size(x.shape());
      layers.push_back(std::move(layer));
    }
    return layers;
  }

  /// Fills in the times of a step on a batch of the given shape. Times that are missing in the
  /// cache are measured on `most` images, or on fewer if the device's memory limit requires it.
  void add_seconds(std::vector<LayerOptions>& layers, Shape batch, Index most, CostCache& cache,
                   const Progress& progress) {
    net_.set_mode(Mode::stored);
    const Shape large{std::min(batch.n, most), batch.h, batch.w, batch.c};
    const std::vector<Keys> keys = all_keys(layers, large);
    measure_missing(layers, keys, large, cache, progress);
    for (std::size_t i = 0; i < layers.size(); ++i)
      for (std::size_t k = 0; k < layers[i].options.size(); ++k) {
        const auto images = static_cast<double>(batch.n);
        layers[i].options[k].forward_seconds = cache.find(keys[i][k] + " forward")->seconds(images);
        layers[i].options[k].backward_seconds =
            cache.find(keys[i][k] + " backward")->seconds(images);
      }
  }

 private:
  using Keys = std::vector<std::string>;

  template <class Element>
  static std::int64_t bytes_of(Shape shape) {
    return shape.size() * static_cast<Index>(sizeof(Element));
  }
  static std::int64_t size(Shape shape) { return bytes_of<typename State::Element>(shape); }

  struct Rehearsed {
    LayerOption option;
    LayerWork work;
    std::array<std::int64_t, 2> traffic{};  ///< bytes moved, including the zeroing of gradients
  };
  struct Pass {
    LayerOption::Bytes bytes;
    LayerWork::InPass work;
    std::int64_t traffic;
  };

  Rehearsed rehearse(std::size_t layer, Mode mode, Shape x) {
    net_.set_mode(layer, mode);
    rehearse_pass(layer, x, true);  // creates and zeroes buffers, which later passes reuse
    const Pass restoring = rehearse_pass(layer, x, true);
    const Pass careless = rehearse_pass(layer, x, false);
    Rehearsed result;
    result.option.mode = mode;
    result.option.reads_output = net_.reads_output(layer);
    result.option.restoring = restoring.bytes;
    result.option.careless = careless.bytes;
    result.work = {restoring.work, careless.work};
    result.traffic = {restoring.traffic, careless.traffic};
    return result;
  }

  Pass rehearse_pass(std::size_t layer, Shape shape, bool restore) {
    Pass pass{};
    typename D::Rehearsal rehearsal(device_);
    MemoryMeter& meter = device_.memory();
    const auto live = [&] { return static_cast<std::int64_t>(meter.live().total()); };
    const auto peak = [&] { return static_cast<std::int64_t>(meter.peak().total()); };
    const std::int64_t before = live();
    State x(device_, shape);
    meter.restart_peak();
    Run run = training;
    run.restore = restore;
    net_.forward(x, run, layer, layer + 1);
    pass.bytes.forward = peak() - before;
    const Shape out = x.shape();
    pass.bytes.kept = pass.work.kept = live() - before - size(out);
    const double forward = device_.work().multiply_adds;

    Gradient dy(device_, out, Use::gradient);
    if (!net_.reads_output(layer)) x = State::none(device_);
    meter.restart_peak();
    net_.backward(x, dy, layer, layer + 1);
    pass.bytes.backward = peak() - before;
    pass.work.forward = std::llround(forward);
    pass.work.backward = std::llround(device_.work().multiply_adds - forward);
    pass.traffic = std::llround(device_.work().bytes);
    return pass;
  }

  /// Returns the cache key of every layer and option: its input shape, mode and operations.
  std::vector<Keys> all_keys(const std::vector<LayerOptions>& layers, Shape batch) {
    std::vector<Keys> keys;
    typename D::Rehearsal rehearsal(device_);
    const AbsentGradients<T, D> absent(net_.parameters());
    State x(device_, batch);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Keys of_layer;
      for (const LayerOption& option : layers[i].options)
        of_layer.push_back(to_string(x.shape()) + " mode " +
                           std::to_string(static_cast<int>(option.mode)) + ": " +
                           rehearse(i, option.mode, x.shape()).work.key() + "bytes an element " +
                           std::to_string(sizeof(typename State::Element)));
      keys.push_back(std::move(of_layer));
      net_.forward(x, preview(training), i, i + 1);
    }
    return keys;
  }

  /// Measures steps in every mode that lacks a cost. A layer is timed in its place between the
  /// other layers: on its own, it would find its input in the processor's cache.
  void measure_missing(const std::vector<LayerOptions>& layers, const std::vector<Keys>& keys,
                       Shape large, CostCache& cache, const Progress& progress) {
    std::vector<Mode> missing;
    for (Mode mode : all_modes)
      if (!all_known(mode, layers, keys, cache)) missing.push_back(mode);
    for (std::size_t i = 0; i < missing.size(); ++i) {
      measure(missing[i], layers, keys, large, cache);
      if (progress) progress(i + 1, missing.size());
    }
    if (!missing.empty()) cache.save();
  }

  static bool all_known(Mode mode, const std::vector<LayerOptions>& layers,
                        const std::vector<Keys>& keys, const CostCache& cache) {
    for (std::size_t i = 0; i < layers.size(); ++i)
      for (std::size_t k = 0; k < keys[i].size(); ++k)
        if (layers[i].options[k].mode == mode && !known(keys[i][k], cache)) return false;
    return true;
  }

  static bool known(const std::string& key, const CostCache& cache) {
    return cache.find(key + " forward") && cache.find(key + " backward");
  }

  struct Seconds {
    double forward = 0, backward = 0;
  };
  using Step = std::vector<Seconds>;  ///< by layer

  /// Returns the step with the median total time. The sum of each layer's median would be too
  /// short, because disturbances hit a different layer in every step.
  static Step median(std::array<Step, 3> steps) {
    const auto length = [](const Step& step) {
      double sum = 0;
      for (const Seconds& layer : step) sum += layer.forward + layer.backward;
      return sum;
    };
    std::sort(steps.begin(), steps.end(),
              [&](const Step& a, const Step& b) { return length(a) < length(b); });
    return std::move(steps[1]);
  }

  /// Times a small and a large batch to separate the fixed cost, mostly the packing of weights,
  /// from the cost per image. Chunked layers pack weights once per chunk, so their whole cost is
  /// attributed to the images. Cached times are not replaced, so later plans use the same times.
  void measure(Mode mode, const std::vector<LayerOptions>& layers, const std::vector<Keys>& keys,
               Shape shape, CostCache& cache) {
    net_.set_mode(mode);
    while (shape.n > 1 && device_.memory().limit() != MemoryMeter::unlimited &&
           peak_memory(net_, device_, shape).bytes.total() > device_.memory().limit())
      shape.n /= 2;
    Shape few = shape;
    few.n = std::max<Index>(shape.n / 32, 1);
    run(few);  // warms up
    const Step small = run(few), large = median({run(shape), run(shape), run(shape)});
    const auto cost = [&](double less, double more) {
      const auto count = static_cast<double>(shape.n);
      if (few.n == shape.n || mode == Mode::chunked) return Cost{0, more / count};
      const double per_image = std::max(more - less, 0.0) / static_cast<double>(shape.n - few.n);
      return Cost{std::max(more - per_image * count, 0.0), per_image};
    };
    for (std::size_t i = 0; i < layers.size(); ++i)
      for (std::size_t k = 0; k < keys[i].size(); ++k) {
        if (layers[i].options[k].mode != mode || known(keys[i][k], cache)) continue;
        cache.set(keys[i][k] + " forward", cost(small[i].forward, large[i].forward));
        cache.set(keys[i][k] + " backward", cost(small[i].backward, large[i].backward));
      }
  }

  /// Runs forward and backward on noise, without an update and without updating running averages.
  Step run(Shape shape) {
    Step step(net_.size());
    State x = noise(shape);
    Gradient dy = Gradient::none(device_);
    auto before = std::chrono::steady_clock::now();
    std::size_t layer = 0;
    const typename Net::Observed observed(net_, [&](const typename Net::Visit& visit) {
      const auto now = std::chrono::steady_clock::now();
      const double seconds = std::chrono::duration<double>(now - before).count();
      before = now;
      if (visit.pass == Net::Pass::forward)
        step[layer++].forward = seconds;
      else
        step[--layer].backward = seconds;
    });
    net_.forward(x, {.keep = true});
    dy = gradient(x.shape());
    before = std::chrono::steady_clock::now();
    net_.backward(x, dy);
    return step;
  }

  Gradient gradient(Shape shape) {
    Gradient dy(device_, shape, Use::gradient);
    fill(dy.view(), static_cast<typename Gradient::Element>(1e-3));
    return dy;
  }
  State noise(Shape shape) {
    Random random(0, substream("noise"));
    std::vector<typename State::Element> values(static_cast<std::size_t>(shape.size()));
    for (auto& value : values) value = static_cast<typename State::Element>(random.normal());
    State x(device_, shape);
    upload(x.view(), std::span<const typename State::Element>(values));
    return x;
  }

  Net& net_;
  D& device_;
};

}  // namespace retrace::inline RETRACE_ISA
