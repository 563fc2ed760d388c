#include "model_training.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "retrace/train/batch.hpp"
#include "retrace/train/rules/adamw.hpp"
#include "retrace/train/schedule.hpp"

using namespace retrace;

void train_model(IntegerFlow& flow, const RawImages& images, const ModelTraining& options) {
  AdamW<float, Cpu> optimizer(flow.parameters(), {.weight_decay = 1e-4, .clip = 1});
  const OneCycle rate{.peak = options.rate, .steps = static_cast<std::size_t>(options.steps)};
  const auto each = static_cast<std::size_t>(images.layout.image_bytes());
  const Index batch = std::min(options.batch, images.count);
  constexpr Index report_every = 50;
  std::vector<std::uint8_t> pixels;
  std::vector<Index> order;
  double sum = 0;
  Index next = images.count, since = 0;
  std::uint32_t epoch = 0;
  for (Index step = 0; step < options.steps; ++step) {
    if (next + batch > images.count) {
      order = shuffled(images.count, options.seed, epoch++);
      next = 0;
    }
    pixels.clear();
    for (Index i = 0; i < batch; ++i) {
      const auto* from = images.pixels.data() +
                         static_cast<std::size_t>(order[static_cast<std::size_t>(next + i)]) * each;
      pixels.insert(pixels.end(), from, from + each);
    }
    next += batch;
    if (step == 0) flow.initialise(pixels);
    sum += flow.accumulate_gradients(pixels);
    if (!std::isfinite(sum))
      throw std::runtime_error("the bits per dimension of step " + std::to_string(step + 1) +
                               " are not finite: take a lower rate than " +
                               std::to_string(options.rate));
    optimizer.step(rate(static_cast<std::size_t>(step)));
    ++since;
    if (options.report && ((step + 1) % report_every == 0 || step + 1 == options.steps)) {
      options.report(step + 1, sum / static_cast<double>(since));
      sum = 0;
      since = 0;
    }
  }
}
