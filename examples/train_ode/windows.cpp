#include "windows.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/cpu/operations.hpp"

using namespace retrace;

Windows::Windows(SeriesFile file, const Options& options)
    : file_(std::move(file)),
      context_(static_cast<std::size_t>(options.context)),
      horizon_(static_cast<std::size_t>(options.horizon)) {
  const std::size_t length = context_ + horizon_, count = columns();
  std::vector<double> sum(count), squares(count), known(count);
  double span = 0, intervals = 0;
  for (std::size_t s = 0; s < file_.series.size(); ++s) {
    const Series& series = file_.series[s];
    const std::size_t rows = series.times.size();
    const auto tested =
        static_cast<std::size_t>(std::ceil(options.test_share * static_cast<double>(rows)));
    const std::size_t trained = rows - tested;
    for (std::size_t first = 0; first + length <= trained; ++first) training_.push_back({s, first});
    // The rows to predict are all behind those of training.
    for (std::size_t first = trained > context_ ? trained - context_ : 0; first + length <= rows;
         ++first)
      testing_.push_back({s, first});
    for (std::size_t row = 0; row < trained; ++row)
      for (std::size_t c = 0; c < count; ++c)
        if (const double value = series.values[row][c]; !std::isnan(value)) {
          sum[c] += value;
          squares[c] += value * value;
          ++known[c];
        }
    span += series.times.back() - series.times.front();
    intervals += static_cast<double>(rows - 1);
  }
  if (training_.empty() || testing_.empty())
    throw DataError("no series is long enough: a window has " + std::to_string(length) +
                    " rows (--context and --horizon), and the last " +
                    std::to_string(options.test_share) + " of each series is for testing");
  unit_ = span / intervals * static_cast<double>(horizon_);
  for (std::size_t c = 0; c < count; ++c) {
    mean_.push_back(known[c] > 0 ? sum[c] / known[c] : 0);
    const double variance = known[c] > 0 ? squares[c] / known[c] - mean_[c] * mean_[c] : 0;
    deviation_.push_back(variance > 0 ? std::sqrt(variance) : 1);
  }
}

Index Windows::inputs() const { return static_cast<Index>(context_ * (columns() + 1) + columns()); }

double Windows::level(const Window& window, std::size_t column) const {
  for (std::size_t row = window.first + context_; row-- > window.first;)
    if (const double value = of(window).values[row][column]; !std::isnan(value)) return value;
  return mean_[column];
}

WindowBatch Windows::batch(Cpu& device, std::span<const Window> windows) const {
  const std::size_t count = columns();
  std::vector<float> input;
  WindowBatch batch{
      Tensor<float, Cpu>(device, {Index(windows.size()), 1, 1, inputs()}), {}, {}, {}};
  batch.target.assign(horizon_ * windows.size() * count, 0);
  batch.known = batch.target;
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const Window& window = windows[w];
    const Series& series = of(window);
    const double now = series.times[window.first + context_ - 1];
    std::vector<double>& times = batch.times.emplace_back(1, 0.0);
    for (std::size_t c = 0; c < count; ++c) {
      const double base = level(window, c);
      double last = 0;  // a missing value is taken as the one before it
      for (std::size_t row = 0; row < context_; ++row) {
        const double value = series.values[window.first + row][c];
        if (!std::isnan(value)) last = (value - base) / deviation_[c];
        input.push_back(static_cast<float>(last));
      }
      input.push_back(static_cast<float>((base - mean_[c]) / deviation_[c]));
      for (std::size_t k = 0; k < horizon_; ++k) {
        const double value = series.values[window.first + context_ + k][c];
        const std::size_t at = (k * windows.size() + w) * count + c;
        if (std::isnan(value)) continue;
        batch.target[at] = static_cast<float>((value - base) / deviation_[c]);
        batch.known[at] = 1;
      }
    }
    for (std::size_t row = 0; row < context_; ++row)
      input.push_back(static_cast<float>((series.times[window.first + row] - now) / unit_));
    for (std::size_t k = 0; k < horizon_; ++k)
      times.push_back((series.times[window.first + context_ + k] - now) / unit_);
  }
  upload(batch.input.view(), std::span<const float>(input));
  return batch;
}
