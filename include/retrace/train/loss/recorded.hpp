// Losses for recorded steps, with targets in the device's memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "retrace/train/loss/cross_entropy.hpp"
#include "retrace/train/loss/pointwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// The loss cross_entropy(labels, options).
template <class T, Device D>
class RecordedCrossEntropy {
 public:
  using Options = CrossEntropyOptions;
  using Truth = std::span<const std::int32_t>;

  RecordedCrossEntropy(D& device, Options options)
      : options_(std::move(options)),
        weights_(device, per_channel(static_cast<Index>(options_.weights.size())), Use::workspace),
        divisor_(device, per_channel(1), Use::workspace),
        labels_(Tensor<std::int32_t, D>::none(device)),
        hits_(Tensor<std::uint8_t, D>::none(device)),
        losses_(Tensor<double, D>::none(device)),
        scratch_(loss_scratch(device)) {
    if (!options_.weights.empty()) upload(weights_.view(), options_.weights);
  }

  /// Sets the labels of the next step, whose logits have the given shape. The first call creates
  /// the buffers.
  /// @throws as CrossEntropy does.
  void take(Shape y, Truth labels) {
    const CrossEntropy loss(labels, options_);
    loss.require_labels(y);
    weight_ = loss.weight();
    if (labels_.shape().size() != y.pixels()) {
      D& device = divisor_.device();
      labels_ = {device, per_channel(y.pixels()), Use::workspace};
      hits_ = {device, per_channel(y.pixels()), Use::workspace};
      losses_ = {device, per_channel(y.pixels()), Use::workspace};
    }
    upload(labels_.view(), labels);
    const double divisor = loss.terms(weight_).divisor;
    upload(divisor_.view(), std::span(&divisor, 1));
  }
  void operator()(const Tensor<T, D>& y, Tensor<T, D>& dy) {
    const CrossEntropyTerms terms = CrossEntropy({}, options_).terms(weight_);
    softmax_cross_entropy(dy.view(), y.view(), labels_.view(), weights_.view(), divisor_.view(),
                          losses_.view(), hits_.view(), terms);
  }
  /// Returns the loss of the last step. Waits for that step.
  LossValue value() {
    const LossSum sum = sum_of_losses(losses_.view(), hits_.view(), scratch_.view());
    LossValue value = weight_;
    value.sum = sum.loss;
    value.correct = sum.correct;
    return value;
  }

 private:
  Options options_;
  LossValue weight_;
  Tensor<double, D> weights_, divisor_;
  Tensor<std::int32_t, D> labels_;
  Tensor<std::uint8_t, D> hits_;
  Tensor<double, D> losses_, scratch_;
};

/// The loss mean_squared_error(target), or another loss of core/pointwise_loss.hpp.
template <class T, Device D>
class RecordedTargetLoss {
 public:
  /// The loss, and its parameter if it has one.
  struct Options {
    PointwiseLoss loss = PointwiseLoss::squared;
    double delta = 1;
  };
  using Truth = Tensor<T, D>;

  RecordedTargetLoss(D& device, Options options)
      : options_(options), target_(Truth::none(device)), scratch_(loss_scratch(device)) {}

  /// Copies the target of the next step. The first call creates the buffer.
  /// @throws ShapeError unless the target has the shape of the output.
  void take(Shape y, const Truth& target) {
    require_same_shape("RecordedTargetLoss", "the output", y, "the target", target.shape());
    if (target_.shape() != y) target_ = Truth(target.device(), y, Use::workspace);
    copy(target_.view(), target.view());
  }
  void operator()(const Tensor<T, D>& y, Tensor<T, D>& dy) {
    pointwise_loss(dy.view(), y.view(), target_.view(),
                   {options_.loss, options_.delta, static_cast<double>(y.shape().size())},
                   scratch_.view());
  }
  /// Returns the loss of the last step. Waits for that step.
  LossValue value() {
    return {.sum = sum_of_loss(target_.shape(), scratch_.view()),
            .weight = static_cast<double>(target_.shape().size())};
  }

 private:
  Options options_;
  Truth target_;
  Tensor<double, D> scratch_;
};

}  // namespace retrace::inline RETRACE_ISA
