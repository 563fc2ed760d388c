// The interface of data sets: images, or rows of a table, with their classes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/shape.hpp"

/// The label of a pixel that has no class.
inline constexpr std::int32_t no_class = -1;

/// Samples of one shape, each with one class or one class per pixel. Several threads may call the
/// functions at once.
class Samples {
 public:
  virtual ~Samples() = default;

  virtual retrace::Index size() const = 0;
  /// Returns the shape of a sample, 1 x height x width x channels.
  virtual retrace::Shape shape() const = 0;

  /// Writes the values of a sample in the order height, width, channels. Those of an image are
  /// integers from 0 to 255.
  /// @throws retrace::DataError with the name of the file if it cannot be read.
  virtual void read(retrace::Index sample, std::span<float> values) const = 0;

  /// Returns the number of labels per sample: 1, or height x width.
  virtual retrace::Index labels_each() const { return 1; }
  /// Writes the labels of a sample: classes from 0, or no_class.
  /// @throws retrace::DataError with the name of the file if it cannot be read.
  virtual void read_labels(retrace::Index sample, std::span<std::int32_t> labels) const = 0;

  /// Returns whether reading a sample only copies memory, without decoding or file access.
  virtual bool in_memory() const { return true; }

  /// Returns the name of a sample for messages: "cat/001.png", "data_batch_1.bin: record 7".
  virtual std::string name(retrace::Index sample) const = 0;
};

/// Returns the class of a sample with one label.
std::int32_t label(const Samples& samples, retrace::Index sample);

/// Some of the samples, in the order of `indices`.
class SomeSamples : public Samples {
 public:
  SomeSamples(std::shared_ptr<const Samples> all, std::vector<retrace::Index> indices)
      : all_(std::move(all)), indices_(std::move(indices)) {}

  retrace::Index size() const override { return static_cast<retrace::Index>(indices_.size()); }
  retrace::Shape shape() const override { return all_->shape(); }
  void read(retrace::Index sample, std::span<float> values) const override {
    all_->read(at(sample), values);
  }
  retrace::Index labels_each() const override { return all_->labels_each(); }
  void read_labels(retrace::Index sample, std::span<std::int32_t> labels) const override {
    all_->read_labels(at(sample), labels);
  }
  bool in_memory() const override { return all_->in_memory(); }
  std::string name(retrace::Index sample) const override { return all_->name(at(sample)); }

 private:
  retrace::Index at(retrace::Index sample) const {
    return indices_[static_cast<std::size_t>(sample)];
  }

  std::shared_ptr<const Samples> all_;
  std::vector<retrace::Index> indices_;
};
