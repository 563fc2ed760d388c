// A batch that cannot be learnt from leaves no trace, and neither does a pass that throws.
#include "retrace/train/guarded_step.hpp"

#include "retrace/cpu/signal_noise.hpp"
#include "retrace/layer/dropout.hpp"
#include "retrace/train/batch.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "retrace/train/try_step.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using FloatNet = Chain<float, Cpu>;

FloatNet float_net(Cpu& device) {
  return build<float>(device, Architecture::revnet, small_options(Architecture::revnet));
}

/// Weights and running averages.
std::vector<Values> tensors(FloatNet& net) {
  std::vector<Values> all;
  auto list = net.parameters();
  for (auto& named : list.parameters) all.push_back(values(named.parameter->value));
  for (auto& named : list.buffers) all.push_back(values(*named.tensor));
  return all;
}

Tensor<float, Cpu> batch_of(Cpu& device, unsigned seed) {
  return normal<float>(device, small_batch, seed);
}

}  // namespace

TEST_CASE("a batch that is not finite leaves no trace of its step") {
  Cpu device(2);
  const auto five = labels(small_batch.n);
  for (float poison :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e38f}) {
    CAPTURE(poison);
    std::vector<std::vector<Values>> left;
    for (bool poisoned : {false, true}) {
      FloatNet net = float_net(device);
      Sgd<float, Cpu> optimizer(net.parameters(), {.momentum = 0.9});
      GuardedStep step(net, optimizer);
      for (unsigned i = 0; i < 3; ++i) {
        if (poisoned && i == 1) {
          auto x = batch_of(device, 7);
          x.data()[100] = poison;
          const auto before = tensors(net);
          CHECK(step(x, cross_entropy(five), 0.05).discarded);
          CHECK(same_bits(tensors(net), before));
        }
        auto x = batch_of(device, i);
        const StepOutcome outcome = step(x, cross_entropy(five), 0.05);
        CHECK(!outcome.discarded);
        CHECK(std::isfinite(outcome.loss.mean()));
      }
      auto x = batch_of(device, 9);
      CHECK(std::isfinite(evaluate(net, x, cross_entropy(five)).mean()));
      left.push_back(tensors(net));
    }
    // 1e38 is finite, but not what is reconstructed from it: that may make an anchor.
    if (!std::isfinite(poison)) CHECK(same_bits(left[0], left[1]));
  }
}

TEST_CASE("a guarded step is the step of its parts, whole or in micro-batches") {
  Cpu device(2);
  const auto five = labels(small_batch.n);
  FloatNet net = float_net(device), same = float_net(device);
  Sgd<float, Cpu> optimizer(net.parameters(), {}), other(same.parameters(), {});
  {
    GuardedStep step(net, optimizer, {.drift = std::nullopt});
    const auto whole = batch_of(device, 1);
    const auto load = [&](Index first, Index count) {
      return LabelledBatch<float, Cpu>{clone(whole.view().images(first, count)),
                                       {five.data() + first, five.data() + first + count}};
    };
    step(5, 2, load, CrossEntropyOfLabels{}, 0.1);
    accumulate_gradients(same, 5, 2, load);
    other.step(0.1);
    CHECK(same_bits(tensors(net), tensors(same)));
    const auto poisoned = [&](Index first, Index count) {
      auto batch = load(first, count);
      batch.x.data()[0] = std::numeric_limits<float>::quiet_NaN();
      return batch;
    };
    const auto outcome = step(5, 2, poisoned, CrossEntropyOfLabels{}, 0.1);
    CHECK(outcome.discarded ==
          "the loss is NaN: the first layer whose output is not finite is stem");
  }
  auto x = batch_of(device, 2);
  CHECK_NOTHROW(net.forward(x, inference));  // the watch has ended
}

TEST_CASE("a step is not discarded for ever, nor against the options") {
  Cpu device;
  const auto five = labels(small_batch.n);
  FloatNet net = float_net(device);
  Sgd<float, Cpu> optimizer(net.parameters(), {});
  const auto bad = [&](auto& step) {
    auto x = batch_of(device, 1);
    x.data()[3] = std::numeric_limits<float>::quiet_NaN();
    return step(x, cross_entropy(five), 0.1).discarded.has_value();
  };
  {
    GuardedStep step(net, optimizer, {.most_in_a_row = 2});
    CHECK(bad(step));
    CHECK(bad(step));
    CHECK_THROWS_WITH(bad(step), containing("2 batches before it were discarded already"));
  }
  {
    GuardedStep step(net, optimizer, {.discards = false});
    CHECK_THROWS_AS(bad(step), Divergence);
  }
  Sgd<float, Cpu> fused(net.parameters(), {.fused = true});
  CHECK_THROWS_WITH((GuardedStep<float, Cpu, Sgd<float, Cpu>>(net, fused)),
                    containing("a fused optimizer"));
}

TEST_CASE("a pass that throws anywhere is taken back, and the next try has the bits of a first") {
  Cpu device(2);
  const auto add_dropout = [&](Net& net) { net.add("dropout", Dropout<double, Cpu>(0.2, 1)); };
  const Shape half{2, 8, 12, 3};
  const auto state = [](Net& net) {
    std::vector<Values> all = gradients(net), averages = buffers(net);
    all.insert(all.end(), averages.begin(), averages.end());
    Values numbers;
    for (auto& named : net.parameters().numbers)
      numbers.push_back(static_cast<double>(named.get()));
    all.push_back(numbers);
    return all;
  };
  Net fresh = small_net(device, Architecture::revnet);
  add_dropout(fresh);
  const auto take = [&](Net& net, Shape shape) {
    auto x = images(device, shape);
    return try_step(net,
                    [&] { return accumulate_gradients(net, x, cross_entropy(labels(shape.n))); });
  };
  for (bool holds_gradients : {false, true}) {
    for (int at : {0, 3, 9, 14}) {
      CAPTURE(at, holds_gradients);
      Net net = small_net(device, Architecture::revnet),
          same = small_net(device, Architecture::revnet);
      add_dropout(net);
      add_dropout(same);
      if (holds_gradients) {
        take(net, half);
        take(same, half);
      }
      const auto before = state(net);
      const Bytes held = device.memory().live();
      int visits = 0;
      net.observe([&](const Net::Visit&) {
        if (visits++ == at) throw std::runtime_error("interrupted");
      });
      CHECK_THROWS_WITH(take(net, small_batch), "interrupted");
      net.observe({});
      CHECK(same_bits(state(net), before));
      CHECK(device.memory().live() == held);
      CHECK(take(net, half).mean() == take(same, half).mean());
      CHECK(same_bits(state(net), state(same)));
    }
  }
}
