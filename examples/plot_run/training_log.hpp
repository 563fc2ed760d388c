// Reads the JSON lines that train_cifar10 writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// A quantity over the number of training images.
struct Series {
  struct Point {
    double images, value;
  };
  std::vector<Point> points;
};

/// One training run. A log has one, or two if it is from --compare.
struct Run {
  std::string name;  ///< "revnet reversible, batch 128, seed 1"
  std::string log;   ///< the file's name without its extension
  std::string architecture, mode, data;
  std::size_t batch = 0, steps = 0, last_step = 0, epochs = 0;
  std::uint64_t seed = 0;
  double highest_rate = 0, seconds = 0, peak_bytes = 0;

  Series loss, train_accuracy, test_accuracy, test_loss, learning_rate, images_per_second, bytes,
      worst_snr;
  std::vector<double> seconds_at_test;  ///< training time at every point of test_accuracy

  bool finished() const { return last_step == steps; }
};

struct Log {
  std::vector<Run> runs;
  bool cut_off = false;  ///< the last line is incomplete, as after a killed run
};

/// Reads a log.
/// @throws std::runtime_error if the file cannot be read, or a line before the last is not a
///         training step. The message names the file and the line.
Log read_log(const std::filesystem::path& path);
