#include "predictions.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "batches.hpp"

using retrace::Index;

namespace {

constexpr Index at_once = 32;

struct Scores {
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
};

/// Returns the logits and the network's labels of some samples.
Scores run(Device& device, TrainedNet& trained, const Inputs& inputs, std::vector<Index> samples) {
  const retrace::Shape shape{std::ssize(samples), trained.input.h, trained.input.w,
                             trained.input.c};
  HostBatch batch = BatchMaker(*inputs.samples, {trained.normalisation, trained.input})
                        .make({std::move(samples), 0});
  retrace::Tensor<float, Device> x(device, shape);
  upload(x.view(), std::span<const float>(batch.values));
  trained.net.forward(x, retrace::inference);
  Scores scores{std::vector<float>(static_cast<std::size_t>(x.shape().size())),
                std::move(batch.labels)};
  download(std::span(scores.logits), std::as_const(x).view());
  if (trained.labels_pixels)  // none if the image has no mask
    scores.labels.resize(static_cast<std::size_t>(x.shape().pixels()), no_class);
  for (std::int32_t& label : scores.labels)
    if (label != no_class) label = inputs.label_of.at(static_cast<std::size_t>(label));
  return scores;
}

double log_of_sum(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return most + std::log(sum);
}

/// Returns the figures of an image from the logits of its rows.
Prediction prediction(std::span<const float> logits, std::span<const std::int32_t> labels,
                      std::size_t classes) {
  Prediction result;
  double count = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    const auto scores = logits.subspan(row * classes, classes);
    const auto best = std::max_element(scores.begin(), scores.end());
    const double sum = log_of_sum(scores);
    result.predicted = static_cast<std::int32_t>(best - scores.begin());
    if (labels.size() == 1) result.probability = std::exp(*best - sum);
    if (labels[row] == no_class) continue;
    result.label = labels[row];
    result.loss += sum - scores[static_cast<std::size_t>(labels[row])];
    result.accuracy += result.predicted == labels[row];
    ++count;
  }
  result.loss /= std::max(count, 1.0);
  result.accuracy /= std::max(count, 1.0);
  return result;
}

}  // namespace

double Predictions::loss() const {
  double sum = 0;
  for (const Prediction& prediction : each) sum += prediction.loss;
  return each.empty() ? 0 : sum / static_cast<double>(each.size());
}

Predictions predict(Device& device, TrainedNet& trained, const Inputs& inputs, Index count,
                    bool with_logits) {
  const std::size_t classes = trained.classes.size();
  Predictions result{{}, ConfusionMatrix(classes)};
  for (Index first = 0; first < count; first += at_once) {
    std::vector<Index> samples(static_cast<std::size_t>(std::min(at_once, count - first)));
    std::iota(samples.begin(), samples.end(), first);
    const std::size_t images = samples.size();
    const Scores scores = run(device, trained, inputs, std::move(samples));
    if (inputs.labelled) result.matrix.add(scores.labels, scores.logits);
    const std::size_t rows = scores.labels.size() / images;
    for (std::size_t i = 0; i < images; ++i) {
      const auto logits = std::span(scores.logits).subspan(i * rows * classes, rows * classes);
      Prediction each =
          prediction(logits, std::span(scores.labels).subspan(i * rows, rows), classes);
      each.sample = first + static_cast<Index>(i);
      if (with_logits) each.logits.assign(logits.begin(), logits.end());
      result.each.push_back(std::move(each));
    }
  }
  return result;
}

std::vector<std::int32_t> predicted_pixels(Device& device, TrainedNet& trained,
                                           const Inputs& inputs, Index sample) {
  const std::size_t classes = trained.classes.size();
  const Scores scores = run(device, trained, inputs, {sample});
  std::vector<std::int32_t> result;
  for (std::size_t row = 0; row < scores.labels.size(); ++row) {
    const auto logits = std::span(scores.logits).subspan(row * classes, classes);
    result.push_back(
        static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  }
  return result;
}
