// The data of a flow: images, rows of a table, or points of two moons, as continuous samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/shape.hpp"

struct FlowDataOptions {
  std::string data = "moons";  ///< a path, "moons", "fashion-mnist" or "cifar10"
  double validation = 0.1;     ///< share of the samples to test on if there is no test set
  retrace::Index train_samples = 0, test_samples = 0;  ///< the first ones; 0: all
  std::vector<std::string> left_out;                   ///< columns of a table
  int bins = 256;       ///< values that an element of an image can have
  bool noise = true;    ///< adds uniform noise to images; otherwise the network draws it
  bool labels = false;  ///< also reads the classes of images
};

/// Samples of one part, before dequantisation: bytes of images or rows of a table.
struct FlowSamples {
  retrace::Index count = 0;
  std::vector<std::uint8_t> pixels;  ///< of images
  std::vector<float> rows;           ///< of tables
  std::vector<std::string> names;    ///< for scores; may be empty
  std::vector<std::int32_t> labels;  ///< empty unless classes are read
};

/// Stream of random numbers of the dequantisation. Each epoch has its own noise, and each sample of
/// an epoch.
struct FlowNoise {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
};
/// The epoch whose noise evaluations use.
inline constexpr std::uint32_t noise_of_tests = 0xFFFFFFFF;

struct FlowData {
  std::string name;
  retrace::Shape shape;  ///< of a sample, 1 x height x width x channels
  bool images = false;
  int bins = 256;                      ///< of images
  bool noise = true;                   ///< FlowDataOptions::noise
  std::vector<std::string> classes{};  ///< their names; empty unless they are read
  FlowSamples train, test;
  std::vector<std::string> columns;     ///< of tables
  std::vector<double> mean, deviation;  ///< of each column of the training rows
  std::vector<bool> integers;           ///< columns of whole numbers, which get noise
  std::string checksum;
  std::vector<std::string> notes{};  ///< one line for each decision

  /// Writes a sample as the network takes it. Elements of images are (q + u)/bins − ½ with q from 0
  /// to bins − 1 and u uniform in (0, 1), whose density bounds the probability of q (Theis et al.
  /// 2016). Without noise they are q/bins. Columns of a table are standardised; those of whole
  /// numbers get the same noise first.
  void write(const FlowSamples& part, retrace::Index sample, FlowNoise draw,
             std::span<float> values) const;
  /// Returns the byte of an element of an image.
  std::uint8_t to_byte(float value) const;
};

/// Reads or draws the data.
/// @throws retrace::DataError if a file is missing or damaged, if a table has one row or a constant
///         column, if an image cannot be read, or if classes are to be read and there are none. The
///         message names it.
FlowData read_flow_data(const FlowDataOptions& options);

/// Reads samples to score, which must have the shape and the columns of the data.
/// @throws retrace::DataError as read_flow_data does, and if they have not.
FlowSamples read_flow_samples(const std::string& path, const FlowData& like,
                              const FlowDataOptions& options);
