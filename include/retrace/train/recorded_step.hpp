// Training steps that are recorded once and then launched as a whole.
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
#include "retrace/train/optimizer.hpp"
#include "retrace/train/rules/sgd.hpp"

namespace retrace::inline RETRACE_ISA {

/// Training steps that are bit-identical to accumulate_gradients(net, x, loss) followed by
/// optimizer.step(rate) on batches of one shape. The first call runs the step normally, the second
/// records it, and every later call launches the recording. The update is therefore applied before
/// the host can inspect the loss or the gradients.
///
/// The loss is one of train/loss/recorded.hpp, whose targets are in the device's memory. The rule
/// is one that does not count steps, such as those of Sgd and Lion: AdamW and Adafactor correct
/// their averages by a count on the host, which a recording cannot change.
///
/// Requires a device that has a Recording. Do not replace parts of the net or the optimizer, change
/// modes, or watch or observe the net. Stores a copy of the batch and the recording.
template <class T, Device D, class L = RecordedCrossEntropy<T, D>, UpdateRule Rule = SgdRule>
class RecordedStep {
  static_assert(!Rule::counts_steps,
                "a recorded step takes a rule that does not count steps, such as Sgd or Lion");

 public:
  using State = typename Chain<T, D>::State;
  using Gradient = typename Chain<T, D>::Gradient;

  /// @throws std::invalid_argument if the optimizer is fused or clips, because clipping needs norms
  ///         on the host.
  RecordedStep(D& device, Chain<T, D>& net, Optimizer<Rule, T, D>& optimizer, Shape batch,
               typename L::Options loss = {})
      : net_(net),
        optimizer_(optimizer),
        loss_(device, std::move(loss)),
        images_(device, batch, Use::workspace),
        rate_(device, per_channel(1), Use::workspace),
        numbers_(numbers()) {
    const auto& options = optimizer.options();
    if (options.fused || options.clip > 0 || options.clip_each > 0)
      throw std::invalid_argument(
          "RecordedStep: an optimizer that is fused or clips asks the host in every step");
  }

  /// Runs one step on images of the given shape, which do not change, and their truth: labels or a
  /// target.
  /// @throws ShapeError, DataError as the loss does.
  /// @throws std::invalid_argument in the second call if a layer counts steps on the host, as
  ///         Dropout does. The step is not taken.
  /// @throws DeviceError in the second call if a layer needs the host, as fixed-point streams do.
  ///         The step is not taken.
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
  /// @param truth  passed to the loss unless null
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
  Optimizer<Rule, T, D>& optimizer_;
  L loss_;
  State images_;
  Tensor<T, D> rate_;
  std::vector<std::int64_t> numbers_;  ///< counted or chosen by layers, before the first step
  std::optional<Shape> output_;        ///< shape of the output, known after the first step
  std::optional<typename D::Recording> recording_;
};

}  // namespace retrace::inline RETRACE_ISA
