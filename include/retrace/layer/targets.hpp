// The labels of a batch, for a stage that computes losses.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/cross_entropy.hpp"
#include "retrace/core/error.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// One label per position of the next batch. A program sets them before each pass; a ChunkedHead
/// reads them in forward and backward.
template <Device D>
class Targets {
 public:
  /// @param ignore  the label of positions that have neither a loss nor a gradient
  explicit Targets(D& device, std::int32_t ignore = CrossEntropyTerms::nothing)
      : device_(device), ignore_(ignore), labels_(Tensor<std::int32_t, D>::none(device)) {}

  /// Copies the labels, in the order of positions.
  void set(std::span<const std::int32_t> labels) {
    host_.assign(labels.begin(), labels.end());
    count_ = 0;
    for (std::int32_t label : host_) count_ += label != ignore_;
    const Shape shape{static_cast<Index>(host_.size()), 1, 1, 1};
    if (labels_.shape() != shape) {
      labels_ = Tensor<std::int32_t, D>::none(device_);
      labels_ = Tensor<std::int32_t, D>(device_, shape, Use::workspace);
    }
    upload(labels_.view(), std::span<const std::int32_t>(host_));
  }

  /// Allows batches of fewer positions than there are labels: for timing on parts of a batch.
  void allow_fewer(bool allowed) { fewer_ = allowed; }

  /// Returns the number of labels that are not ignored.
  Index count() const { return count_; }
  std::int32_t ignore() const { return ignore_; }

  /// Returns the labels of positions [first, first + count) of a batch of `positions`.
  /// @throws StateError if labels of another number of positions were set last.
  View<const std::int32_t, D> view(Index positions, Index first, Index count) const {
    const auto labels = static_cast<Index>(host_.size());
    const bool fits = fewer_ ? positions <= labels : positions == labels;
    if (positions > 0 && !fits && !device_.dry())
      throw StateError("Targets: there are labels of " + std::to_string(host_.size()) +
                       " positions, but the batch has " + std::to_string(positions) +
                       ": set them before the pass");
    return {device_, labels_.data() + (device_.dry() ? 0 : first), {count, 1, 1, 1}, 1};
  }

  /// @throws DataError "ChunkedHead: label 300 of position 7 is not one of 256 classes".
  void require_classes(const char* where, Index classes) const {
    for (std::size_t i = 0; i < host_.size(); ++i)
      if ((host_[i] < 0 || host_[i] >= classes) && host_[i] != ignore_)
        throw DataError(std::string(where) + ": label " + std::to_string(host_[i]) +
                        " of position " + std::to_string(i) + " is not one of " +
                        std::to_string(classes) + " classes, 0 to " + std::to_string(classes - 1));
  }

 private:
  D& device_;
  std::int32_t ignore_;
  std::vector<std::int32_t> host_;
  Tensor<std::int32_t, D> labels_;
  Index count_ = 0;
  bool fewer_ = false;
};

}  // namespace retrace::inline RETRACE_ISA
