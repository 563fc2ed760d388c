// Recorded steps give the same results as steps that run one operation after the other.
#include "cuda/devices.hpp"
#include "retrace/layer/dropout.hpp"
#include "retrace/net/architectures.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape shape{4, 8, 8, 3};

std::vector<double> class_weights() {
  std::vector<double> weights(10, 1.0);
  weights[3] = 2.5;
  return weights;
}

const CrossEntropyOptions criterion{.smoothing = 0.1, .ignore = 9, .weights = class_weights()};

/// Runs ten steps with changing rates and images, and an inference in between. Returns all results.
std::vector<Values> train(Architecture architecture, Mode mode, bool libraries, bool recorded) {
  Cuda gpu(0, {.libraries = libraries});
  auto net = build<float>(gpu, architecture, small_options(architecture));
  net.set_mode(mode);
  net.set_chunk(2);
  Sgd<float, Cuda> optimizer(net.parameters(),
                             {.momentum = 0.9, .nesterov = true, .weight_decay = 1e-3});
  std::optional<RecordedStep<float, Cuda>> step;
  if (recorded) step.emplace(gpu, net, optimizer, shape, criterion);
  Values losses;
  for (unsigned i = 0; i < 10; ++i) {
    auto x = moved<float>(gpu, normal_values(shape.size(), i), shape);
    std::vector<std::int32_t> targets = labels(shape.n);
    targets[i % 4] = static_cast<std::int32_t>(i);
    const double rate = 0.1 / (1 + i);
    LossValue loss;
    if (step) {
      loss = (*step)(x, targets, rate);
    } else {
      loss = accumulate_gradients(net, x, cross_entropy(targets, criterion));
      optimizer.step(rate);
    }
    losses.push_back(loss.mean());
    losses.push_back(static_cast<double>(loss.correct));
    if (i == 5) losses.push_back(evaluate(net, x, cross_entropy(targets)).mean());
  }
  auto list = optimizer.parameters();
  optimizer.collect("momentum", list);
  std::vector<Values> all{losses};
  for (const auto& named : list.parameters) all.push_back(values(named.parameter->value));
  for (const auto& named : list.buffers) all.push_back(values(*named.tensor));
  return all;
}

}  // namespace

TEST_CASE("recorded steps give the same results as steps, bit for bit") {
  for (auto [architecture, mode, libraries] :
       {std::tuple{Architecture::revnet, Mode::reversible, true},
        {Architecture::hybrid, Mode::chunked, false}}) {
    CAPTURE(name(architecture), libraries);
    CHECK(same_bits(train(architecture, mode, libraries, true),
                    train(architecture, mode, libraries, false)));
  }
}

TEST_CASE("operations that wait for the host are not recorded, and the GPU stays usable") {
  Cuda gpu;
  Tensor<float, Cuda> x(gpu, {1, 1, 1, 8});
  fill(x.view(), 1.f);
  CHECK_THROWS_AS(CudaRecording(gpu, [&] { static_cast<void>(all_finite(x.view())); }),
                  DeviceError);
  CHECK(gpu.memory().live().total() == 32);
  fill(x.view(), 2.f);
  CHECK(values(x) == Values(8, 2.0));
  CudaRecording doubles(gpu, [&] { add(x.view(), clone(x).view()); });
  CHECK(values(x) == Values(8, 2.0));
  doubles.launch();
  doubles.launch();
  CHECK(values(x) == Values(8, 8.0));
}

TEST_CASE("steps that need the host are refused") {
  Cuda gpu;
  const Shape logits{4, 1, 1, 3};
  const std::vector<std::int32_t> targets{0, 1, 2, 0};
  Chain<float, Cuda> net;
  net.add("dropout", Dropout<float, Cuda>(0.5, 1));
  Sgd<float, Cuda> optimizer(net.parameters(), {});
  const auto x = moved<float>(gpu, normal_values(logits.size(), 1), logits);
  RecordedStep<float, Cuda> step(gpu, net, optimizer, logits);
  step(x, targets, 0.1);
  CHECK_THROWS_WITH(step(x, targets, 0.1), containing("dropout.step is counted on the host"));
  CHECK_THROWS_WITH(step(x, std::vector<std::int32_t>{0, 1, 2, 3}, 0.1),
                    containing("label 3 of image 3"));
  Sgd<float, Cuda> clips(net.parameters(), {.clip = 1});
  CHECK_THROWS_WITH((RecordedStep<float, Cuda>(gpu, net, clips, logits)),
                    containing("fused or clips"));
}

TEST_CASE("a recorded step supports a loss with a target, and Lion's rule") {
  std::vector<Values> left;
  for (bool recorded : {false, true}) {
    Cuda gpu;
    Random random(1);
    Chain<float, Cuda> net;
    net.add("conv", Conv2d<float, Cuda>(gpu, 3, 2, random));
    Lion<float, Cuda> optimizer(net.parameters(), {.weight_decay = 0.01});
    const Shape outputs{4, 8, 8, 2};
    RecordedStep<float, Cuda, RecordedTargetLoss<float, Cuda>, LionRule> step(
        gpu, net, optimizer, shape, {.loss = PointwiseLoss::huber, .delta = 0.5});
    Values all;
    for (unsigned i = 0; i < 4; ++i) {
      auto x = moved<float>(gpu, normal_values(shape.size(), i), shape);
      const auto target = moved<float>(gpu, normal_values(outputs.size(), 9 + i), outputs);
      if (recorded) {
        all.push_back(step(x, target, 0.1).mean());
      } else {
        all.push_back(accumulate_gradients(net, x, huber(target, 0.5)).mean());
        optimizer.step(0.1);
      }
    }
    for (const auto& named : net.parameters().parameters)
      for (double value : values(named.parameter->value)) all.push_back(value);
    left.push_back(all);
  }
  CHECK(same_bits(left[0], left[1]));
}
