// Cross-entropy, the loss of classifiers.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/cross_entropy.hpp"
#include "retrace/core/error.hpp"
#include "retrace/core/loss_sum.hpp"
#include "retrace/train/loss/loss.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of the cross-entropy.
struct CrossEntropyOptions {
  double smoothing = 0;  ///< ε, the share of a label that is spread evenly over all classes
  std::optional<std::int32_t> ignore{};  ///< label of images or pixels to ignore
  std::vector<double> weights{};         ///< weights of the classes; empty: 1 each
};

/// The weighted mean over images or pixels of −Σ_k q_k·log softmax(y)_k. q is 1 for the label and 0
/// for the other classes, or 1 − ε + ε/K and ε/K with smoothing ε (Szegedy et al. 2016). The weight
/// of a term is that of its label's class.
///
/// Shapes    y, dy [N,H,W,K]; N·H·W labels from 0 to K − 1, in the order of pixels. Logits
///           [N,1,1,K] have one label per image.
/// Returns   the sum of the losses and the sum of the weights, which is the number of labels if no
///           weights are given. Ignored labels contribute neither to the sums nor to the gradient.
class CrossEntropy {
 public:
  /// @param labels  must outlive this object
  /// @throws std::invalid_argument unless smoothing is 0 to 1 and every weight is finite and not
  ///         negative.
  CrossEntropy(std::span<const std::int32_t> labels, CrossEntropyOptions options)
      : labels_(labels), options_(std::move(options)) {
    if (!(options_.smoothing >= 0 && options_.smoothing <= 1))
      throw std::invalid_argument("cross_entropy: the smoothing is " +
                                  std::to_string(options_.smoothing) + ", but has to be 0 to 1");
    for (std::size_t k = 0; k < options_.weights.size(); ++k)
      if (!(options_.weights[k] >= 0 && std::isfinite(options_.weights[k])))
        throw std::invalid_argument("cross_entropy: the weight of class " + std::to_string(k) +
                                    " is " + std::to_string(options_.weights[k]) +
                                    ", but has to be finite and not negative");
  }

  /// @throws ShapeError unless there is one label per row of logits, there are weights for all
  ///         classes or none, and dy has the shape of y.
  /// @throws DataError "cross_entropy: label 12 of image 3 is not one of 10 classes".
  template <class T, Device D>
  LossValue operator()(const Tensor<T, D>& y, Tensor<T, D>& dy) const {
    require_labels(y.shape());
    require_same_shape("cross_entropy", "y", y.shape(), "dy", dy.shape());
    LossValue value = weight();
    const LossSum sum =
        softmax_cross_entropy(dy.view(), y.view(), labels_, options_.weights, terms(value));
    value.sum = sum.loss;
    value.correct = sum.correct;
    return value;
  }

  /// Returns the number of labels that are not ignored, and the sum of their weights, the divisor
  /// of the mean.
  LossValue weight() const {
    LossValue value;
    for (std::int32_t label : labels_) {
      if (label == options_.ignore) continue;
      ++value.count;
      value.weight +=
          options_.weights.empty() ? 1 : options_.weights.at(static_cast<std::size_t>(label));
    }
    return value;
  }
  CrossEntropyTerms terms(const LossValue& weight) const {
    return {options_.smoothing, options_.ignore.value_or(CrossEntropyTerms::nothing),
            weight.weight > 0 ? weight.weight : 1};
  }
  void require_labels(Shape y) const {
    if (static_cast<Index>(labels_.size()) != y.pixels())
      throw ShapeError("cross_entropy: there are " + std::to_string(labels_.size()) +
                       " labels for logits " + to_string(y) + ", which take " +
                       std::to_string(y.pixels()));
    if (!options_.weights.empty() && static_cast<Index>(options_.weights.size()) != y.c)
      throw ShapeError("cross_entropy: there are weights of " +
                       std::to_string(options_.weights.size()) + " classes for logits of " +
                       std::to_string(y.c));
    for (std::size_t i = 0; i < labels_.size(); ++i)
      if ((labels_[i] < 0 || labels_[i] >= y.c) && labels_[i] != options_.ignore)
        throw DataError("cross_entropy: label " + std::to_string(labels_[i]) + " of " +
                        place(y, static_cast<Index>(i)) + " is not one of " + std::to_string(y.c) +
                        " classes");
  }

 private:
  static std::string place(Shape y, Index row) {
    const Index size = y.h * y.w, at = row % size;
    return (size == 1 ? ""
                      : "row " + std::to_string(at / y.w) + ", column " + std::to_string(at % y.w) +
                            " of ") +
           ("image " + std::to_string(row / size));
  }

  std::span<const std::int32_t> labels_;
  CrossEntropyOptions options_;
};

/// `accumulate_gradients(net, x, cross_entropy(labels, {.smoothing = 0.1}))`.
/// @throws as CrossEntropy does.
inline CrossEntropy cross_entropy(std::span<const std::int32_t> labels,
                                  CrossEntropyOptions options = {}) {
  return {labels, std::move(options)};
}

/// Returns the loss of a batch with a member `labels`.
struct CrossEntropyOfLabels {
  CrossEntropyOptions options{};

  template <class Batch>
  CrossEntropy operator()(const Batch& batch) const {
    return cross_entropy(batch.labels, options);
  }
};

}  // namespace retrace::inline RETRACE_ISA
