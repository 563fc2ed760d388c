#include "flow_trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

#include "retrace/train/augmentation.hpp"
#include "step_outcome.hpp"

using retrace::Index;

namespace {

/// Freezes before the optimizer makes its moments.
FlowNet built(retrace::Cpu& device, const FlowOptions& options, const FlowData& data,
              const FlowCondition& condition) {
  FlowNet net = build_flow(device, options.net, data, condition);
  for (const std::string& pattern : options.frozen) net.freeze(pattern);
  return net;
}

}  // namespace

FlowTrainer::FlowTrainer(retrace::Cpu& device, const FlowOptions& options, const FlowData& data)
    : device_(device),
      options_(options),
      data_(data),
      condition_(options.net.classes ? std::make_shared<retrace::Condition<float, retrace::Cpu>>()
                                     : nullptr),
      net_(built(device, options, data, condition_)),
      optimizer_(net_.parameters(), {.weight_decay = options.weight_decay,
                                     .clip = options.clip,
                                     .clip_each = options.clip_each}),
      loss_({.prior = latent_prior(options.net),
             .bins = data.images ? static_cast<double>(data.bins) : 0}),
      schedule_{.peak = options.learning_rate, .steps = 0} {
  if (options.batch > data.train.count)
    throw std::invalid_argument("--batch is " + std::to_string(options.batch) +
                                ", but there are only " + std::to_string(data.train.count) +
                                " training samples");
  schedule_.steps = total_steps();
  guarded_.emplace(net_, optimizer_,
                   retrace::GuardedStepOptions{.drift = options.drift,
                                               .discards = options.on_nan == OnNan::skip});
}

retrace::ParameterList<float, retrace::Cpu> FlowTrainer::tensors() {
  auto list = optimizer_.parameters();
  optimizer_.collect("optimizer", list);
  return list;
}

std::size_t FlowTrainer::steps_per_epoch() const {
  return static_cast<std::size_t>(data_.train.count / options_.batch);
}
std::size_t FlowTrainer::total_steps() const {
  return options_.steps.value_or(options_.epochs * steps_per_epoch());
}

void FlowTrainer::set_classes(std::span<const std::int32_t> classes) {
  if (!condition_) return;
  condition_->set(retrace::one_hot<float>(device_, classes, std::ssize(data_.classes)));
}

FlowNet::State FlowTrainer::batch(const FlowSamples& part, Indices indices, std::uint32_t epoch) {
  const auto [n, h, w, c] = data_.shape;
  const auto each = static_cast<std::size_t>(data_.shape.size());
  std::vector<float> values(indices.size() * each);
  for (std::size_t i = 0; i < indices.size(); ++i)
    data_.write(part, indices[i], {options_.seed, epoch},
                std::span(values).subspan(i * each, each));
  FlowNet::State x(device_, {std::ssize(indices), h, w, c});
  retrace::upload(x.view(), std::span<const float>(values));
  std::vector<std::int32_t> classes;
  if (condition_)
    for (const Index i : indices) classes.push_back(part.labels[static_cast<std::size_t>(i)]);
  set_classes(classes);
  return x;
}

FlowSummary FlowTrainer::train(const Listener& listener) {
  device_.memory().restart_peak();
  const auto batch_size = static_cast<std::size_t>(options_.batch);
  const std::size_t steps = total_steps();
  FlowSummary summary;
  std::vector<Index> order;
  bool go_on = true;
  while (go_on && state_.step < steps) {
    const std::size_t epoch = state_.step / steps_per_epoch(),
                      in_epoch = state_.step % steps_per_epoch();
    if (in_epoch == 0 || order.empty())
      order =
          retrace::shuffled(data_.train.count, options_.seed, static_cast<std::uint32_t>(epoch));
    StepReport report =
        take_step(state_.step, Indices(order).subspan(in_epoch * batch_size, batch_size));
    count_step(report, state_);
    summary.test.reset();
    if (in_epoch + 1 == steps_per_epoch() || state_.step == steps) {
      summary.test = evaluate();
      report.test = metrics(*summary.test, true);
      report.tested_on = std::to_string(data_.test.count) + " samples";
      add_score(report, state_, -*summary.test);  // the likelihood
    }
    go_on = listener(report);
  }
  summary.finished = state_.step >= steps;
  if (summary.finished && !summary.test) summary.test = evaluate();  // nothing was left to do
  summary.samples_per_second =
      state_.seconds > 0 ? static_cast<double>(state_.step * batch_size) / state_.seconds : 0;
  summary.peak = device_.memory().peak();
  return summary;
}

StepReport FlowTrainer::take_step(std::size_t step, Indices indices) try {
  const auto start = std::chrono::steady_clock::now();
  StepReport report{.step = step + 1,
                    .steps = total_steps(),
                    .epoch = step / steps_per_epoch() + 1,
                    .learning_rate = schedule_(step),
                    .samples = static_cast<std::size_t>(options_.batch),
                    .unit = data_.images ? "images" : "rows"};
  auto x = batch(data_.train, indices, static_cast<std::uint32_t>(report.epoch));
  retrace::StepOutcome outcome = (*guarded_)(x, loss_, report.learning_rate);
  report.metrics = metrics(outcome.loss.mean(), false);
  add_outcome(report, outcome);
  add_cost(report, start, device_.memory());
  return report;
} catch (const retrace::Divergence& divergence) {
  throw retrace::Divergence("at step " + std::to_string(step + 1) + ": " + divergence.what());
}

std::vector<Metric> FlowTrainer::metrics(double value, bool test) const {
  const std::string key = data_.images ? "bits_per_dimension" : "nats";
  const std::string label = data_.images ? "bits/dimension" : "nats";
  return {{test ? "test_" + key : key, test ? "test " + label : label, value}};
}

double FlowTrainer::evaluate() {
  const Index all = data_.test.count;
  std::vector<Index> indices;
  retrace::LossValue sum;
  for (Index first = 0; first < all; first += std::ssize(indices)) {
    indices.resize(static_cast<std::size_t>(std::min(options_.batch, all - first)));
    std::iota(indices.begin(), indices.end(), first);
    auto x = batch(data_.test, indices, noise_of_tests);
    sum += retrace::evaluate(net_, x, loss_);
  }
  return sum.mean();
}
