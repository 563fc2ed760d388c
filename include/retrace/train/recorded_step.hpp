// Training steps that are recorded once and launched as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "retrace/core/loss_sum.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/train/loss.hpp"
#include "retrace/train/sgd.hpp"

namespace retrace::inline RETRACE_ISA {

/// Takes the steps of accumulate_gradients(net, x, labels) and optimizer.step(rate) on batches of
/// one shape, bit for bit, but for the host's part in them: the first is done as it comes, the
/// second is recorded as it would be, and all from there on are one launch. So the update of a step
/// is taken before anybody has seen its loss or gradients.
///
/// Of devices that have a Recording. Nothing of the net or the optimizer may be replaced or put
/// into another mode, and nobody may watch or observe the net. Holds the batch once more, and what
/// the recording holds.
template <class T, Device D>
class RecordedStep {
 public:
  using State = typename Chain<T, D>::State;
  using Gradient = typename Chain<T, D>::Gradient;

  /// @throws std::invalid_argument if the optimizer is fused or clips, which takes norms to the
  /// host.
  RecordedStep(D& device, Chain<T, D>& net, Sgd<T, D>& optimizer, Shape batch,
               SoftmaxCrossEntropy criterion = {})
      : net_(net),
        optimizer_(optimizer),
        criterion_(criterion),
        images_(device, batch, Use::workspace),
        labels_(device, per_channel(batch.n), Use::workspace),
        hits_(device, per_channel(batch.n), Use::workspace),
        losses_(device, per_channel(batch.n), Use::workspace),
        rate_(device, per_channel(1), Use::workspace),
        numbers_(numbers()) {
    const SgdOptions& options = optimizer.options();
    if (options.fused || options.clip > 0 || options.clip_each > 0)
      throw std::invalid_argument(
          "RecordedStep: an optimizer that is fused or clips asks the host in every step");
  }

  /// A step on images of that shape, which stay as they are.
  /// @throws ShapeError, DataError as SoftmaxCrossEntropy.
  /// @throws std::invalid_argument the second time if a layer counts steps on the host, as Dropout
  ///         does; DeviceError if one asks the host, as fixed-point streams do. That step is not
  ///         taken.
  BatchLoss operator()(const State& images, std::span<const std::uint8_t> labels, double rate) {
    const bool first = classes_ == 0;
    if (!first) require_labels({images.shape().n, 1, 1, classes_}, labels);
    copy(images_.view(), images.view());
    upload(labels_.view(), labels);
    const T value = static_cast<T>(rate);
    upload(rate_.view(), std::span<const T>(&value, 1));
    if (first) {
      step(labels);
    } else {
      if (!recording_) record();
      recording_->launch();
    }
    const LossSum sum = sum_of_losses(losses_.view(), hits_.view());
    return {sum.loss / static_cast<double>(labels.size()), sum.correct, images.shape().n};
  }

 private:
  /// @param labels  checked where there are some
  void step(std::span<const std::uint8_t> labels) {
    State x = clone(images_);
    net_.forward(x, training);
    if (!labels.empty()) require_labels(x.shape(), labels);
    classes_ = x.shape().c;
    Gradient dx(x.device(), x.shape(), Use::gradient);
    softmax_cross_entropy(dx.view(), x.view(), labels_.view(), losses_.view(), hits_.view(),
                          x.shape().n, criterion_.smoothing);
    net_.backward(x, dx);
    optimizer_.step(rate_.view());
  }

  void record() {
    const auto now = numbers();
    for (std::size_t i = 0; i < now.size(); ++i)
      if (now[i] != numbers_[i])
        throw std::invalid_argument(
            "RecordedStep: " + net_.parameters().numbers[i].name +
            " is counted on the host, which has no part in a recorded step");
    recording_.emplace(images_.device(), [this] { step({}); });
  }
  std::vector<std::int64_t> numbers() {
    std::vector<std::int64_t> values;
    for (const auto& named : net_.parameters().numbers) values.push_back(named.get());
    return values;
  }

  Chain<T, D>& net_;
  Sgd<T, D>& optimizer_;
  SoftmaxCrossEntropy criterion_;
  State images_;
  Tensor<std::uint8_t, D> labels_, hits_;
  Tensor<double, D> losses_;
  Tensor<T, D> rate_;
  std::vector<std::int64_t> numbers_;  ///< that layers count or choose, before the first step
  Index classes_ = 0;                  ///< known after it
  std::optional<typename D::Recording> recording_;
};

}  // namespace retrace::inline RETRACE_ISA
