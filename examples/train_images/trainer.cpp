#include "trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "retrace/train/recorded_step.hpp"
#include "retrace/train/weights.hpp"
#include "step_outcome.hpp"
#include "text.hpp"

using retrace::Index, retrace::LossValue;

namespace {

/// Returns recorded steps on batches of that shape, if the device can record.
template <class D>
RecordedSteps recorded_steps(D& device, Net& net, Optimizer& optimizer, retrace::Shape batch_shape,
                             const retrace::CrossEntropyOptions& criterion) {
  if constexpr (requires { typename D::Recording; }) {
    auto step = std::make_shared<retrace::RecordedStep<float, D>>(
        device, net, *optimizer.template get_if<Sgd>(), batch_shape, criterion);
    return [step](const Batch& batch, double rate) { return (*step)(batch.x, batch.labels, rate); };
  } else {
    throw std::invalid_argument("--cuda-graph is for --device cuda");
  }
}

/// Returns the learning rate of each step: one cycle for SGD, a rise and a fall along half a cosine
/// for AdamW.
std::function<double(std::size_t)> schedule(const Options& options, std::size_t steps) {
  const double peak = options.learning_rate;
  if (options.net.rule == Rule::sgd) return retrace::OneCycle{peak, steps};
  const std::size_t rising = std::min(options.warm_up, steps / 2);
  return retrace::WarmUp{
      rising, retrace::Cosine{.peak = peak, .steps = steps - rising, .floor = peak / 100}};
}

/// Returns the network without the gradients of the parameters that the patterns name.
Net frozen(Net net, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) try {
      net.freeze(pattern);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("--freeze " + pattern + ": " + error.what());
    }
  return net;
}

}  // namespace

std::string start_from(const std::filesystem::path& path, Trainer& trainer) {
  const auto list = trainer.weights();
  const std::vector<std::string> others = retrace::load_matching_weights(path, list);
  const std::size_t all = list.parameters.size() + list.buffers.size();
  if (others.size() == all)
    throw retrace::DataError("--start-from " + path.string() +
                             ": has no tensor of this network in its shape");
  std::string text = "starting from " + std::to_string(all - others.size()) + " of " +
                     std::to_string(all) + " tensors of " + path.string();
  for (std::size_t i = 0; i < others.size(); ++i)
    text += (i == 0 ? "; it has no " : ", ") + others[i];
  return text + (others.empty() ? "" : " of this shape") + '\n';
}

Trainer::Trainer(Device& device, const Options& options, const DataSet& data, Ranks& ranks)
    : device_(device),
      options_(options),
      data_(data),
      ranks_(ranks),
      net_(frozen(build_net(device, options.net), options.freeze)),
      optimizer_(make_optimizer(net_.parameters(),
                                {.rule = options.net.rule,
                                 .momentum = options.momentum,
                                 .nesterov = options.nesterov,
                                 .beta2 = options.beta2,
                                 .weight_decay = options.weight_decay,
                                 .clip = options.clip,
                                 .clip_each = options.clip_each,
                                 .fused = options.net.fused_optimizer},
                                [this](const std::string& name, const auto& gradient) {
                                  require_finite(name, gradient);
                                })),
      criterion_{.smoothing = options.label_smoothing,
                 .ignore = data.labels_pixels() ? std::optional(no_class) : std::nullopt,
                 .weights = class_weights(options, data)},
      training_maker_(*data.train, preparation(options.net, data), random_changes(options)),
      test_maker_(*data.test, preparation(options.net, data)) {
  if (options.batch > data.train->size())
    throw std::invalid_argument("--batch is " + std::to_string(options.batch) +
                                ", but there are only " + std::to_string(data.train->size()) +
                                " training images");
  schedule_ = schedule(options, total_steps());
  if (options.cuda_graph) ranks.require_alone("--cuda-graph");
  if (ranks.size() > 1) parallel_.emplace(net_, ranks.all());
  if (options.cuda_graph)
    recorded_ = recorded_steps(device, net_, optimizer_, options.net.batch_shape(options.batch),
                               criterion_);
  else
    guarded_.emplace(net_, optimizer_,
                     retrace::GuardedStepOptions{.drift = options.drift,
                                                 .discards = options.on_nan == OnNan::skip,
                                                 .peers = parallel_ ? &*parallel_ : nullptr});
}

retrace::ParameterList<float, Device> Trainer::tensors() {
  auto list = weights();
  optimizer_.collect(options_.net.rule == Rule::sgd ? "momentum" : "optimizer", list);
  return list;
}

std::size_t Trainer::steps_per_epoch() const {
  return static_cast<std::size_t>(data_.train->size() / options_.batch);
}
std::size_t Trainer::total_steps() const {
  return options_.steps.value_or(options_.epochs * steps_per_epoch());
}

TrainingSummary Trainer::train(const Listener& listener) {
  device_.memory().restart_peak();
  const auto batch = static_cast<std::size_t>(options_.batch);
  const std::size_t steps = total_steps();
  TrainingSummary summary;
  std::vector<Index> order;
  bool go_on = true;
  queue_.emplace(training_maker_, training_requests(), options_.decode_threads.value_or(0));
  while (go_on && state_.step < steps) {
    const std::size_t epoch = state_.step / steps_per_epoch(),
                      in_epoch = state_.step % steps_per_epoch();
    if (in_epoch == 0 || order.empty())
      order =
          retrace::shuffled(data_.train->size(), options_.seed, static_cast<std::uint32_t>(epoch));
    StepReport report = take_step(state_.step, Indices(order).subspan(in_epoch * batch, batch));
    count_step(report, state_);
    summary.test.reset();
    if (in_epoch + 1 == steps_per_epoch() || state_.step == steps)
      summary.test = evaluate_into(report, summary.matrix.emplace(data_.classes.size()));
    go_on = listener(report);
  }
  summary.finished = state_.step >= steps;
  if (summary.finished && !summary.test)  // nothing was left to do
    summary.test = evaluate(summary.matrix.emplace(data_.classes.size()));
  summary.images_per_second = static_cast<double>(state_.step * batch) / state_.seconds;
  summary.peak = device_.memory().peak();
  return summary;
}

StepReport Trainer::take_step(std::size_t step, Indices indices) {
  const auto start = std::chrono::steady_clock::now();
  StepReport report{.step = step + 1,
                    .steps = total_steps(),
                    .epoch = step / steps_per_epoch() + 1,
                    .learning_rate = schedule_(step),
                    .samples = static_cast<std::size_t>(options_.batch)};
  taken_ = own_taken_ = 0;
  if (data_.labels_pixels()) batch_ = *queue_->take();
  run_step(report, indices);
  while (taken_ < options_.batch) take_host_batch();  // of a step that was left early
  add_cost(report, start, device_.memory());
  return report;
}

/// Updates the network, unless the report says why not.
void Trainer::run_step(StepReport& report, Indices indices) try {
  if (recorded_) {
    const LossValue loss = recorded_(next_training_batch(options_.batch), report.learning_rate);
    report.metrics = metrics(loss, "train");
    if (!std::isfinite(loss.mean()))  // the update is taken before the loss is known
      throw retrace::Divergence("the loss is not finite, and the network has been updated");
    return;
  }
  const Index at_a_time = options_.net.at_a_time(options_.batch);
  retrace::StepOutcome outcome = (*guarded_)(
      options_.batch, at_a_time, [&](Index, Index count) { return next_training_batch(count); },
      retrace::CrossEntropyOfLabels{criterion_}, report.learning_rate,
      [&] { return training_batch(report.epoch, own(indices)); },
      data_.labels_pixels() ? weight_of_pixels() : weight_of(indices));
  report.metrics = metrics(outcome.loss, "train");
  add_outcome(report, outcome);
  if (outcome.drift.discard)
    report.predicted_peak =
        retrace::peak_memory(net_, device_, options_.net.batch_shape(at_a_time)).bytes.total();
} catch (const retrace::Divergence& divergence) {
  throw retrace::Divergence("at step " + std::to_string(report.step) + ": " + divergence.what());
}

std::vector<Metric> Trainer::metrics(const LossValue& loss, const std::string& of) const {
  const std::string before = of == "test" ? "test " : "",
                    what = data_.labels_pixels() ? "pixel accuracy" : "accuracy";
  return {{of == "test" ? "test_loss" : "loss", before + "loss", loss.mean()},
          {of + "_accuracy", data_.name + ' ' + before + what, loss.accuracy(), true}};
}

LossValue Trainer::evaluate_into(StepReport& report, ConfusionMatrix& matrix) {
  const LossValue test = evaluate(matrix);
  double score = test.accuracy();
  report.test = metrics(test, "test");
  report.tested_on = "the first " + std::to_string(data_.test->size()) + " images";
  if (data_.labels_pixels()) {
    score = matrix.mean_intersection_over_union();
    report.test.push_back({"test_mean_iou", "mean IoU", score, true});
  }
  std::optional<double> bound;
  for (std::size_t i = 0; i < net_.size(); ++i)
    if (const auto each = net_.link(i).lipschitz()) bound = std::max(bound.value_or(0), *each);
  if (bound) report.test.push_back({"lipschitz_bound", "Lipschitz bound", *bound});
  add_score(report, state_, score);
  return test;
}

void Trainer::require_finite(const std::string& name, const Net::Gradient& gradient) {
  if (!retrace::all_finite(gradient.view()))
    throw retrace::Divergence(
        "the gradient of " + name +
        " is not finite, and it is the first on the way back; parameters of the "
        "layers behind it have taken their step");
}

LossValue Trainer::evaluate(ConfusionMatrix& matrix) {
  const Ranks::Part part = ranks_.part(data_.test->size());
  const Index end = part.first + part.count, at_a_time = options_.net.at_a_time(options_.batch);
  const auto requests = [=, first = part.first]() mutable -> std::optional<BatchRequest> {
    if (first == end) return {};
    BatchRequest request{
        std::vector<Index>(static_cast<std::size_t>(std::min(at_a_time, end - first)))};
    std::iota(request.samples.begin(), request.samples.end(), first);
    first += std::ssize(request.samples);
    return request;
  };
  BatchQueue queue(test_maker_, requests, options_.decode_threads.value_or(0));
  LossValue sum;
  for (Index first = part.first; first < end; first += at_a_time) {
    const HostBatch batch = *queue.take();
    sum += evaluate(batch, std::min(at_a_time, end - first), matrix);
  }
  if (ranks_.size() == 1) return sum;
  ranks_.meet();
  // A stream that has overflowed on one rank has fewer fraction bits on all from here on.
  const retrace::StepVerdict verdict =
      parallel_->agree({lowered_ ? retrace::SkipReason::overflow : retrace::SkipReason::none, {}});
  lowered_ = false;
  if (verdict.reason != retrace::SkipReason::none) parallel_->take_numbers(verdict.from);
  ranks_.sum(matrix.counts());
  return ranks_.sum(sum);
}

LossValue Trainer::evaluate(const HostBatch& batch, Index images, ConfusionMatrix& matrix) try {
  auto [x, labels] = to_device(device_, batch, options_.net.batch_shape(images));
  const LossValue loss =
      retrace::evaluate(net_, x, retrace::cross_entropy(labels, {.ignore = criterion_.ignore}));
  std::vector<float> scores(static_cast<std::size_t>(x.shape().size()));
  download(std::span(scores), std::as_const(x).view());
  matrix.add(labels, scores);
  return loss;
} catch (const retrace::StreamOverflow& overflow) {
  if (!overflow.lowered) throw;
  lowered_ = true;
  return evaluate(batch, images, matrix);
}

/// Returns the images of each batch that the queue makes.
Index Trainer::requested_images() const {
  return data_.labels_pixels() ? options_.batch : options_.net.at_a_time(options_.batch);
}

/// Returns the sum of the class weights of a batch; 0 if all are 1.
double Trainer::weight_of(Indices indices) const {
  double sum = 0;
  for (Index index : criterion_.weights.empty() ? Indices() : indices)
    sum += criterion_.weights[static_cast<std::size_t>(label(*data_.train, index))];
  return sum;
}

/// Returns the weight of the batch of this step, in which pixels may have no class.
double Trainer::weight_of_pixels() {
  return ranks_.sum(retrace::cross_entropy(batch_.labels, criterion_).weight()).weight;
}

/// From the step that the state is at, in micro-batches, without end.
BatchQueue::Requests Trainer::training_requests() const {
  return [this, step = state_.step, at = std::size_t{0},
          order = std::vector<Index>()]() mutable -> std::optional<BatchRequest> {
    const std::size_t epoch = step / steps_per_epoch(), in_epoch = step % steps_per_epoch();
    if (order.empty() || (in_epoch == 0 && at == 0))
      order =
          retrace::shuffled(data_.train->size(), options_.seed, static_cast<std::uint32_t>(epoch));
    const auto batch = static_cast<std::size_t>(options_.batch),
               at_a_time = static_cast<std::size_t>(requested_images());
    const auto some =
        Indices(order).subspan(in_epoch * batch + at, std::min(at_a_time, batch - at));
    at += some.size();
    if (at == batch) {
      at = 0;
      ++step;
    }
    // Epochs are counted from 1.
    return BatchRequest{own(some), static_cast<std::uint32_t>(epoch + 1)};
  };
}

std::vector<Index> Trainer::own(Indices batch) const {
  const auto at_a_time = static_cast<std::size_t>(options_.net.at_a_time(options_.batch));
  std::vector<Index> own;
  for (; !batch.empty(); batch = batch.subspan(std::min(at_a_time, batch.size()))) {
    const auto some = batch.first(std::min(at_a_time, batch.size()));
    const Ranks::Part part = ranks_.part(std::ssize(some));
    const auto first = some.begin() + part.first;
    own.insert(own.end(), first, first + part.count);
  }
  return own;
}

/// Returns the next images of the step: a batch of the queue, or a part of one.
HostBatch Trainer::take_host_batch() {
  const Index of_all = std::min(options_.net.at_a_time(options_.batch), options_.batch - taken_),
              first = own_taken_, count = ranks_.part(of_all).count;
  taken_ += of_all;
  own_taken_ += count;
  if (!data_.labels_pixels()) return *queue_->take();
  const auto part = [&](const auto& all, Index each) {
    return std::vector(all.begin() + first * each, all.begin() + (first + count) * each);
  };
  return {part(batch_.values, training_maker_.values_each()),
          part(batch_.labels, training_maker_.labels_each())};
}

/// @param images  of all ranks
Batch Trainer::next_training_batch(Index images) {
  return to_device(device_, take_host_batch(), options_.net.batch_shape(ranks_.part(images).count));
}

Batch Trainer::training_batch(std::size_t epoch, Indices indices) {
  return to_device(
      device_,
      training_maker_.make({{indices.begin(), indices.end()}, static_cast<std::uint32_t>(epoch)}),
      options_.net.batch_shape(std::ssize(indices)));
}
