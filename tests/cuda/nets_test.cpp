// Whole networks take the same steps on a GPU as on the host, in every mode.
#include "support/nets.hpp"

#include "cuda/devices.hpp"
#include "retrace/net/architectures.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape batch{4, 8, 8, 3};

/// The results of a training step without an update, and its peak memory.
struct Step {
  double loss = 0;
  Index correct = 0;
  Values x;
  std::vector<Values> gradients, buffers;
  std::size_t peak = 0, predicted = 0;
};

template <class T, class D>
Step step_on(D& device, Architecture architecture, const auto& choose) {
  auto net = build<T>(device, architecture, small_options(architecture));
  choose(net);
  using State = typename decltype(net)::State;
  State x = moved<typename State::Element>(device, normal_values(batch.size(), 1), batch);
  const std::vector<std::int32_t> targets = labels(batch.n);
  Step step;
  step.predicted = peak_memory(net, device, batch, cross_entropy(targets)).bytes.total() -
                   static_cast<std::size_t>(batch.size()) * sizeof(typename State::Element);
  device.memory().restart_peak();
  const LossValue loss = accumulate_gradients(net, x, cross_entropy(targets));
  step.peak = device.memory().peak().total();
  step.loss = loss.mean();
  step.correct = loss.correct;
  step.x = values(x);
  auto list = net.parameters();
  for (const auto& named : list.parameters)
    step.gradients.push_back(values(named.parameter->gradient));
  for (const auto& named : list.buffers) step.buffers.push_back(values(*named.tensor));
  return step;
}

/// The number of modes, including checkpoints.
constexpr int way_count = 5;
template <class Net>
void choose_way(Net& net, int way) {
  if (way == 4) return net.checkpoint_every(2);
  net.set_mode(static_cast<Mode>(way));
  net.set_chunk(2);
}

}  // namespace

TEST_CASE("every network takes the same step on a GPU, in every mode") {
  for (Architecture architecture : all_architectures)
    for (int way = 0; way < way_count; ++way) {
      const bool libraries = way % 2 == 0;
      CAPTURE(name(architecture), way, libraries);
      Cpu host(2);
      Cuda gpu(0, {.libraries = libraries});
      const auto choose = [&](auto& net) { choose_way(net, way); };
      const Step expected = step_on<double>(host, architecture, choose);
      const Step found = step_on<double>(gpu, architecture, choose);
      CHECK(found.loss == Approx(expected.loss).epsilon(1e-12));
      CHECK(found.correct == expected.correct);
      CHECK(relative_distance(found.x, expected.x) < 1e-9);
      CHECK(relative_distance(found.gradients, expected.gradients) < 1e-9);
      CHECK(relative_distance(found.buffers, expected.buffers) < 1e-9);
    }
}

TEST_CASE("the peak of a step on a GPU is the predicted one") {
  Cuda gpu;
  for (Architecture architecture : all_architectures) {
    CAPTURE(name(architecture));
    const Step step = step_on<double>(gpu, architecture, [](auto&) {});
    CHECK(step.peak == step.predicted);
    CHECK(gpu.memory().live().total() == 0);
  }
}

TEST_CASE("a step on a GPU gives the same bits every time") {
  for (Architecture architecture : {Architecture::revnet, Architecture::hybrid}) {
    Cuda gpu;
    const Step first = step_on<float>(gpu, architecture, [](auto&) {});
    const Step second = step_on<float>(gpu, architecture, [](auto&) {});
    CHECK(first.loss == second.loss);
    CHECK(same_bits(first.gradients, second.gradients));
  }
}

TEST_CASE("with convolutions in 16 bits a step is similar, has the predicted peak, and repeats") {
  for (ConvolutionType type : {ConvolutionType::half, ConvolutionType::bfloat16})
    for (Architecture architecture : {Architecture::revnet, Architecture::hybrid}) {
      CAPTURE(static_cast<int>(type), name(architecture));
      Cpu host(2);
      Cuda gpu(0, {.convolutions = type});
      const Step expected = step_on<float>(host, architecture, [](auto&) {});
      const Step first = step_on<float>(gpu, architecture, [](auto&) {});
      const Step second = step_on<float>(gpu, architecture, [](auto&) {});
      CHECK(first.peak == first.predicted);
      CHECK(first.loss == second.loss);
      CHECK(same_bits(first.gradients, second.gradients));
      const double noise = type == ConvolutionType::half ? 0.02 : 0.1;
      CHECK(first.loss == Approx(expected.loss).epsilon(noise));
      // Gradients of few pixels jump when activations change sign; the tests of convolutions are
      // stricter.
      CHECK_FALSE(same_bits(first.gradients, expected.gradients));
    }
}

TEST_CASE("fixed-point states are reconstructed bit for bit on a GPU") {
  Cuda gpu;
  for (Architecture architecture : {Architecture::revnet, Architecture::irevnet})
    for (Stream stream : {Stream::fixed32, Stream::fixed16}) {
      CAPTURE(name(architecture), name(stream));
      NetOptions options = small_options(architecture);
      options.stream = stream;
      const auto gradients_in = [&](Mode mode) {
        auto net = build<float>(gpu, architecture, options);
        net.set_mode(mode);
        auto x = moved<float>(gpu, normal_values(batch.size(), 1), batch);
        accumulate_gradients(net, x, cross_entropy(labels(batch.n)));
        std::vector<Values> list;
        for (const auto& named : net.parameters().parameters)
          list.push_back(values(named.parameter->gradient));
        return list;
      };
      CHECK(same_bits(gradients_in(Mode::reversible), gradients_in(Mode::stored)));
    }
}
