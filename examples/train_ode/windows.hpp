// Windows of series: the rows that the encoder reads and those to predict.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "options.hpp"
#include "retrace/cpu/cpu.hpp"

/// `context` rows of a series from `first` on, and `horizon` rows after them.
struct Window {
  std::size_t series, first;
};

/// A batch of windows. Values are in units of their deviation, relative to the last one known in
/// the context; times are in units of `horizon` mean intervals, relative to the last row of the
/// context.
struct WindowBatch {
  retrace::Tensor<float, retrace::Cpu> input;  ///< [B,1,1,inputs]
  std::vector<std::vector<double>> times;      ///< of each window: 0, then its predicted rows
  std::vector<float> target, known;  ///< [horizon·B·columns]; known is 1, or 0 if missing
};

class Windows {
 public:
  /// @throws retrace::DataError unless training and testing have a window each.
  Windows(SeriesFile file, const Options& options);

  const std::vector<Window>& training() const { return training_; }
  const std::vector<Window>& testing() const { return testing_; }
  std::size_t columns() const { return file_.columns.size(); }
  retrace::Index inputs() const;
  const SeriesFile& file() const { return file_; }
  /// Of a column, in the training rows.
  double deviation(std::size_t column) const { return deviation_[column]; }
  double time_unit() const { return unit_; }

  WindowBatch batch(retrace::Cpu& device, std::span<const Window> windows) const;
  /// The last known value of a column in the context of a window.
  double level(const Window& window, std::size_t column) const;

 private:
  const Series& of(const Window& window) const { return file_.series[window.series]; }

  SeriesFile file_;
  std::size_t context_, horizon_;
  std::vector<Window> training_, testing_;
  std::vector<double> mean_, deviation_;
  double unit_ = 1;
};
