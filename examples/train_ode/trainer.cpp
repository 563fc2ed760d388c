#include "trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <stdexcept>
#include <utility>

#include "retrace/cpu/operations.hpp"
#include "retrace/train/schedule.hpp"
#include "step_outcome.hpp"

using namespace retrace;

namespace {

constexpr std::size_t windows_at_a_time = 64;

/// Calls act(batch) for all windows, some at a time.
template <class Act>
void for_each_batch(Cpu& device, const Windows& windows, Act act) {
  const std::span<const Window> all = windows.testing();
  for (std::size_t first = 0; first < all.size(); first += windows_at_a_time)
    act(windows.batch(device, all.subspan(first, std::min(windows_at_a_time, all.size() - first))));
}

}  // namespace

Trainer::Trainer(const Options& options, const Windows& windows)
    : options_(options),
      windows_(windows),
      device_(options.threads),
      model_(device_, windows.inputs(), static_cast<Index>(windows.columns()), options),
      optimizer_(model_.parameters(), {.weight_decay = options.weight_decay, .clip = options.clip}),
      epoch_steps_(std::max<std::size_t>(
          1, windows.training().size() / static_cast<std::size_t>(options.batch))),
      total_(options.steps.value_or(options.epochs * epoch_steps_)) {
  device_.memory().set_limit(options.memory_limit);
}

std::vector<Window> Trainer::draw() const {
  Random random(options_.seed, substream("windows", static_cast<std::uint32_t>(state_.step)));
  const auto& all = windows_.training();
  std::vector<Window> drawn;
  for (Index i = 0; i < options_.batch; ++i)
    drawn.push_back(all[random.below(static_cast<std::uint32_t>(all.size()))]);
  return drawn;
}

bool Trainer::train(const Listener& listener) {
  bool go_on = true;
  while (go_on && state_.step < total_) go_on = listener(step());
  return state_.step >= total_;
}

StepReport Trainer::step() {
  const auto start = std::chrono::steady_clock::now();
  const double rate = Cosine{options_.learning_rate, total_}(state_.step);
  device_.memory().restart_peak();
  StepReport report{.step = state_.step + 1,
                    .steps = total_,
                    .epoch = state_.step / epoch_steps_ + 1,
                    .learning_rate = rate,
                    .samples = static_cast<std::size_t>(options_.batch),
                    .unit = "windows"};
  SquaredError error;
  try {
    error = model_.accumulate_gradients(windows_.batch(device_, draw()));
  } catch (const RoundTripError&) {  // the field is too stiff to go back: store this batch
    report.drifts.push_back({"field", model_.decibels().value_or(0), false});
    model_.parameters().zero_gradients();
    model_.set_mode(Mode::stored);
    error = model_.accumulate_gradients(windows_.batch(device_, draw()));
    model_.set_mode(options_.mode);
  }
  if (!std::isfinite(error.sum))
    throw std::runtime_error("the loss of step " + std::to_string(state_.step + 1) +
                             " is not finite: lower --lr or --clip");
  optimizer_.step(rate);
  add_cost(report, start, device_.memory());
  count_step(report, state_);
  report.metrics = {{"train_error", "error", error.root()}};
  report.lowest_ratio = model_.decibels();
  report.worst_layer = "field";
  if (state_.step % epoch_steps_ == 0 || state_.step == total_) {
    const double test = test_error();
    report.test = {{"test_error", "test error", test}};
    report.tested_on = std::to_string(windows_.testing().size()) + " windows";
    add_score(report, state_, 1 / (1 + test));
  }
  return report;
}

double Trainer::test_error() {
  SquaredError sum;
  for_each_batch(device_, windows_, [&](const WindowBatch& batch) {
    sum += Model::error(model_.predict(batch), batch);
  });
  return sum.root();
}

double Trainer::persistence_error() {
  SquaredError sum;
  for_each_batch(device_, windows_, [&](const WindowBatch& batch) {
    Tensor<float, Cpu> none(device_, {1, 1, 1, static_cast<Index>(batch.target.size())});
    fill(none.view(), 0.0f);
    sum += Model::error(none, batch);
  });
  return sum.root();
}

ParameterList<float, Cpu> Trainer::tensors() {
  auto list = model_.parameters();
  optimizer_.collect("adam", list);
  return list;
}
