// The mean of the losses that the last stage of a network computes.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "retrace/layer/targets.hpp"
#include "retrace/train/loss/loss.hpp"

namespace retrace::inline RETRACE_ISA {

/// The loss of a network that ends with a ChunkedHead: the mean of its outputs over the labels that
/// are not ignored.
///
/// Shapes    y, dy [N,H,W,1].
/// Returns   the sum of the losses in nats and the number of labels.
template <Device D>
class MeanOfLosses {
 public:
  explicit MeanOfLosses(std::shared_ptr<const Targets<D>> targets) : targets_(std::move(targets)) {}

  /// @throws ShapeError unless y has one channel and dy its shape.
  template <class T>
  LossValue operator()(const Tensor<T, D>& y, Tensor<T, D>& dy) const {
    require_channels("mean_of", "y", y.shape(), 1);
    require_same_shape("mean_of", "y", y.shape(), "dy", dy.shape());
    LossValue value{.weight = static_cast<double>(targets_->count()), .count = targets_->count()};
    fill(dy.view(), static_cast<T>(value.weight > 0 ? 1 / value.weight : 0));
    if (y.device().dry()) return value;
    std::vector<T> losses(static_cast<std::size_t>(y.shape().size()));
    download(std::span<T>(losses), y.view());
    for (T loss : losses) value.sum += static_cast<double>(loss);
    return value;
  }

 private:
  std::shared_ptr<const Targets<D>> targets_;
};

/// `accumulate_gradients(net, x, mean_of(targets))`
template <Device D>
MeanOfLosses<D> mean_of(std::shared_ptr<Targets<D>> targets) {
  return MeanOfLosses<D>(std::move(targets));
}

}  // namespace retrace::inline RETRACE_ISA
