// Training steps that are recorded once and launched as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/net/chain.hpp"
#include "retrace/train/loss/recorded.hpp"
#include "retrace/train/rules/sgd.hpp"

namespace retrace::inline RETRACE_ISA {

/// Takes the steps of accumulate_gradients(net, x, loss) and optimizer.step(rate) on batches of
/// one shape, bit for bit, but for the host's part in them: the first is done as it comes, the
/// second is recorded as it would be, and all from there on are one launch. So the update of a step
/// is taken before anybody has seen its loss or gradients.
///
/// The loss is one of train/loss/recorded.hpp, whose truth is in the device's memory.
///
/// Of devices that have a Recording. Nothing of the net or the optimizer may be replaced or put
/// into another mode, and nobody may watch or observe the net. Holds the batch once more, and what
/// the recording holds.
template <class T, Device D, class L = RecordedCrossEntropy<T, D>>
class RecordedStep {
 public:
  using State = typename Chain<T, D>::State;
  using Gradient = typename Chain<T, D>::Gradient;

  /// @throws std::invalid_argument if the optimizer is fused or clips, which takes norms to the
  /// host.
  RecordedStep(D& device, Chain<T, D>& net, Sgd<T, D>& optimizer, Shape batch,
               typename L::Options loss = {})
      : net_(net),
        optimizer_(optimizer),
        loss_(device, std::move(loss)),
        images_(device, batch, Use::workspace),
        rate_(device, per_channel(1), Use::workspace),
        numbers_(numbers()) {
    const SgdOptions& options = optimizer.options();
    if (options.fused || options.clip > 0 || options.clip_each > 0)
      throw std::invalid_argument(
          "RecordedStep: an optimizer that is fused or clips asks the host in every step");
  }

  /// A step on images of that shape, which stay as they are, and the truth about them: labels, or
  /// a target.
  /// @throws ShapeError, DataError as the loss.
  /// @throws std::invalid_argument the second time if a layer counts steps on the host, as Dropout
  ///         does; DeviceError if one asks the host, as fixed-point streams do. That step is not
  ///         taken.
  LossValue operator()(const State& images, const typename L::Truth& truth, double rate) {
    if (output_) loss_.take(*output_, truth);
    copy(images_.view(), images.view());
    const T value = static_cast<T>(rate);
    upload(rate_.view(), std::span<const T>(&value, 1));
    if (!output_) {
      step(&truth);
    } else {
      if (!recording_) record();
      recording_->launch();
    }
    return loss_.value();
  }

 private:
  /// @param truth  taken where there is one
  void step(const typename L::Truth* truth) {
    State x = clone(images_);
    net_.forward(x, training);
    if (truth) loss_.take(x.shape(), *truth);
    output_ = x.shape();
    Gradient dx(x.device(), x.shape(), Use::gradient);
    loss_(std::as_const(x), dx);
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
    recording_.emplace(images_.device(), [this] { step(nullptr); });
  }
  std::vector<std::int64_t> numbers() {
    std::vector<std::int64_t> values;
    for (const auto& named : net_.parameters().numbers) values.push_back(named.get());
    return values;
  }

  Chain<T, D>& net_;
  Sgd<T, D>& optimizer_;
  L loss_;
  State images_;
  Tensor<T, D> rate_;
  std::vector<std::int64_t> numbers_;  ///< that layers count or choose, before the first step
  std::optional<Shape> output_;        ///< of the net, known after it
  std::optional<typename D::Recording> recording_;
};

}  // namespace retrace::inline RETRACE_ISA
