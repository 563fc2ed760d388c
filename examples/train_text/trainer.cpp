#include "trainer.hpp"

#include <chrono>
#include <cmath>
#include <ctime>
#include <numbers>

#include "step_outcome.hpp"

using retrace::Index, retrace::LossValue;

namespace {

/// Returns the time that all threads of the process have computed.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void set_modes(Net& net, const Options& options) {
  if (options.plan)
    options.plan->apply(net);
  else
    net.set_mode(options.mode);
  net.set_chunk(options.chunk);
}

std::vector<Metric> metrics(const std::string& prefix, double nats) {
  return {{prefix + "loss", "loss", nats},
          {prefix + "bits_per_byte", "bits/byte", nats / std::numbers::ln2}};
}

}  // namespace

Net::State token_tensor(Device& device, const std::vector<std::int32_t>& tokens,
                        retrace::Shape shape) {
  Net::State x(device, shape);
  retrace::upload(x.view(), std::vector<float>(tokens.begin(), tokens.end()));
  return x;
}

TextTrainer::TextTrainer(Device& device, const Options& options, const TextSplit& split,
                         Ranks& ranks)
    : device_(device),
      options_(options),
      split_(split),
      ranks_(ranks),
      model_(build_model(device, options.model)),
      optimizer_(make_optimizer(model_.net.parameters(), options)),
      schedule_{options.warm_up,
                {.peak = options.learning_rate, .steps = 1, .floor = options.learning_rate / 10}} {
  set_modes(model_.net, options);
  const std::size_t steps = total_steps();
  schedule_.steps = std::min(options.warm_up, steps / 2);
  schedule_.then.steps = std::max<std::size_t>(1, steps - schedule_.steps);
  retrace::GuardedStepOptions guard{.drift = {}, .discards = options.on_nan == OnNan::skip};
  if (options.drift) guard.drift = retrace::DriftOptions{.policy = *options.drift};
  if (ranks.size() > 1) guard.peers = &parallel_.emplace(model_.net, ranks.all());
  guarded_.emplace(model_.net, optimizer_, guard);
}

retrace::ParameterList<float, Device> TextTrainer::tensors() {
  auto list = model_.net.parameters();
  optimizer_.collect("optimizer", list);
  return list;
}

std::size_t TextTrainer::total_steps() const {
  const auto per_step = static_cast<std::uint64_t>(options_.batch * options_.model.length);
  const std::uint64_t per_epoch = std::max<std::uint64_t>(1, split_.training_bytes() / per_step);
  return options_.steps.value_or(options_.epochs * static_cast<std::size_t>(per_epoch));
}
std::size_t TextTrainer::eval_every() const {
  return options_.eval_every > 0 ? options_.eval_every
                                 : std::max<std::size_t>(1, total_steps() / 10);
}

TextTrainer::Loaded TextTrainer::load(const TextBatch& batch) {
  model_.targets->set(batch.labels);
  const auto windows = static_cast<Index>(batch.tokens.size()) / options_.model.length;
  return {token_tensor(device_, batch.tokens, options_.batch_shape(windows))};
}

TrainingSummary TextTrainer::train(const Listener& listener) {
  device_.memory().restart_peak();
  TrainingSummary summary;
  bool go_on = true;
  while (go_on && state_.step < total_steps()) {
    const double before = cpu_seconds();
    StepReport report = take_step(state_.step);
    summary.cpu_seconds += cpu_seconds() - before;
    count_step(report, state_);
    if (state_.step % eval_every() == 0 || state_.step == total_steps()) evaluate_into(report);
    go_on = listener(report);
  }
  summary.finished = state_.step >= total_steps();
  summary.bytes_per_second = static_cast<double>(state_.step) *
                             static_cast<double>(options_.batch * options_.model.length) /
                             state_.seconds;
  summary.peak = device_.memory().peak();
  if (summary.finished) summary.nats = evaluate(split_.held_out_bytes());
  return summary;
}

StepReport TextTrainer::take_step(std::size_t step) try {
  const auto start = std::chrono::steady_clock::now();
  StepReport report{.step = step + 1, .steps = total_steps(), .epoch = 1};
  const auto length = static_cast<std::uint64_t>(options_.batch * options_.model.length);
  report.epoch = static_cast<std::size_t>(step * length / split_.training_bytes()) + 1;
  report.learning_rate = schedule_(step);
  report.samples = static_cast<std::size_t>(length);
  report.unit = "bytes";
  retrace::StepOutcome outcome = (*guarded_)(
      options_.batch, options_.at_a_time(),
      [&](Index first, Index count) {
        const Ranks::Part part = ranks_.part(count);
        return load(training_batch(split_, options_.batches(), step,
                                   static_cast<std::size_t>(first + part.first),
                                   static_cast<std::size_t>(part.count)));
      },
      [&](const Loaded&) { return retrace::mean_of(model_.targets); }, report.learning_rate);
  report.metrics = metrics("", outcome.loss.mean());
  add_outcome(report, outcome);
  add_cost(report, start, device_.memory());
  return report;
} catch (const retrace::Divergence& divergence) {
  throw retrace::Divergence("at step " + std::to_string(step + 1) + ": " + divergence.what());
}

void TextTrainer::evaluate_into(StepReport& report) {
  const std::uint64_t bytes = std::min(options_.eval_bytes, split_.held_out_bytes());
  const double nats = evaluate(bytes);
  report.test = metrics("test_", nats);
  report.tested_on = std::to_string(bytes) + " held-out bytes";
  add_score(report, state_, 1 / (1 + nats));
}

double TextTrainer::evaluate(std::uint64_t bytes) {
  const auto length = static_cast<std::size_t>(options_.model.length);
  const Ranks::Part part = ranks_.part(static_cast<Index>(held_out_windows(split_, length, bytes)));
  const auto end = static_cast<std::size_t>(part.first + part.count),
             at_a_time = static_cast<std::size_t>(options_.at_a_time());
  LossValue sum;
  for (auto first = static_cast<std::size_t>(part.first); first < end; first += at_a_time) {
    Loaded batch =
        load(held_out_batch(split_, length, bytes, first, std::min(at_a_time, end - first)));
    sum += retrace::evaluate(model_.net, batch.x, retrace::mean_of(model_.targets));
  }
  ranks_.meet();
  return ranks_.sum(sum).mean();
}
