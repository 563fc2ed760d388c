// The loss of a classifier.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "retrace/core/error.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// What one batch says about a classifier.
struct BatchLoss {
  double loss = 0;    ///< mean over the images; 0 of none
  Index correct = 0;  ///< images whose label has the largest logit
  Index images = 0;
};

/// @throws ShapeError unless x is [N,1,1,K] with N labels.
/// @throws DataError "SoftmaxCrossEntropy: label 12 of image 3 is not one of 10 classes".
inline void require_labels(Shape x, std::span<const std::uint8_t> labels) {
  require_same_shape("SoftmaxCrossEntropy", "x", x, "one row of logits a label",
                     {static_cast<Index>(labels.size()), 1, 1, x.c});
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= x.c)
      throw DataError("SoftmaxCrossEntropy: label " + std::to_string(labels[i]) + " of image " +
                      std::to_string(i) + " is not one of " + std::to_string(x.c) + " classes");
}

/// L = mean over images of −Σ_k q_k·log softmax(x)_k, where q is 1 for the label and 0 for the
/// other classes, or with smoothing ε (Szegedy et al. 2016) 1 − ε + ε/K and ε/K.
///
/// Shapes    x, dx [N,1,1,K]; N labels less than K.
/// Returns   L; dx = (softmax(x) − q)/images, where x is part of a batch of so many
///           images; all of it, if that is 0.
/// @throws ShapeError unless dx has the shape of x; and as require_labels.
struct SoftmaxCrossEntropy {
  double smoothing = 0;  ///< ε, 0 to 1

  template <class T, Device D>
  BatchLoss operator()(const Tensor<T, D>& x, std::span<const std::uint8_t> labels,
                       Tensor<T, D>& dx, Index images = 0) const {
    const Shape shape = x.shape();
    require_labels(shape, labels);
    require_same_shape("SoftmaxCrossEntropy", "x", shape, "dx", dx.shape());
    const auto sum = softmax_cross_entropy(dx.view(), x.view(), labels,
                                           images > 0 ? images : shape.n, smoothing);
    return {labels.empty() ? 0 : sum.loss / static_cast<double>(shape.n), sum.correct, shape.n};
  }
};

}  // namespace retrace::inline RETRACE_ISA
