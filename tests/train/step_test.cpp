// A training step: what it needs, what is left when it fails, and that modes train alike.
#include "retrace/train/step.hpp"

#include "retrace/train/sgd.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("peak_memory predicts what the meter measures, to the byte, use and layer") {
  Cpu device(2);
  for_every_way(device, [&](Net& net, Architecture architecture, const Way& each) {
    step(net, device);
    const std::vector<Values> averages = buffers(net), gradient = gradients(net);
    const Bytes before = device.memory().live();
    for (Shape batch : {small_batch, Shape{1, 16, 8, 3}}) {
      const std::size_t allocations = device.allocations();
      const PeakMemory predicted = peak_memory(net, device, batch);
      CHECK(device.allocations() == allocations);
      CHECK(device.memory().live() == before);
      CHECK(same_bits(buffers(net), averages));
      CHECK(same_bits(gradients(net), gradient));

      Net fresh = small_net(device, architecture);
      each.choose(fresh);
      const PeakMemory of_fresh = peak_memory(fresh, device, batch);
      const auto ten = labels(batch.n);
      device.memory().restart_peak();
      {
        auto x = images(device, batch);
        accumulate_gradients(fresh, x, ten);
      }
      CHECK(device.memory().peak() == of_fresh.bytes);
      CHECK(device.memory().peak_place() == of_fresh.place);
      CHECK(of_fresh.place != "");
      CHECK(of_fresh.bytes.total() - device.memory().live().total() ==
            predicted.bytes.total() - before.total());
    }
  });
}

TEST_CASE("no memory is asked of the operating system after the first step") {
  Cpu device(2);
  for_every_way(device, [&](Net& net, Architecture, const Way&) {
    Sgd<double, Cpu> optimizer(net.parameters(), {});
    const auto train = [&] {
      step(net, device);
      optimizer.step(0.01);
    };
    train();
    const std::size_t allocations = device.allocations();
    train();
    train();
    CHECK(device.allocations() == allocations);
  });
}

TEST_CASE("a network on a dry device needs what it needs on a real one") {
  Cpu device(2);
  Cpu dry = Cpu::dry_device(2);
  for (Architecture architecture : all_architectures) {
    CAPTURE(name(architecture));
    Net net = small_net(device, architecture), planned = small_net(dry, architecture);
    const PeakMemory expected = peak_memory(net, device, small_batch),
                     planned_need = peak_memory(planned, dry, small_batch);
    CHECK(planned_need.bytes == expected.bytes);
    CHECK(planned_need.place == expected.place);
  }
  CHECK(dry.allocations() == 0);
}

TEST_CASE("out of memory anywhere in a step leaves nothing behind and the next step right") {
  Cpu device(2);
  for_every_way(device, [&](Net& net, Architecture, const Way&) {
    const StepValues expected = step(net, device);
    const std::size_t need = peak_memory(net, device, small_batch).bytes.total();
    const Bytes before = device.memory().live();
    const auto train = [&] {
      auto x = images(device);
      accumulate_gradients(net, x, labels(small_batch.n));
    };
    for (std::size_t part : {2u, 5u, 8u, 10u, 11u}) {
      CAPTURE(part);
      // Of twelve parts; where this is the last one, a byte too few.
      device.memory().set_limit(part == 11 ? need - 1
                                           : before.total() + (need - before.total()) * part / 12);
      CHECK_THROWS_AS(train(), OutOfMemory);
      CHECK(device.memory().live() == before);
      CHECK(device.memory().place() == "");
    }
    device.memory().set_limit(need);
    CHECK_NOTHROW(train());
    device.memory().set_limit(MemoryMeter::unlimited);
    CHECK(same_bits(step(net, device).gradients, expected.gradients));
  });
}

TEST_CASE("a step that is given up leaves nothing behind and the next one right") {
  Cpu device(2);
  for_every_way(device, [&](Net& net, Architecture, const Way&) {
    const StepValues expected = step(net, device);
    const Bytes before = device.memory().live();
    {
      auto x = images(device);
      net.forward(x, training);
    }
    net.abandon();
    CHECK(device.memory().live() == before);
    {
      auto x = images(device);
      int visits = 0;
      net.observe([&](const Net::Visit& visit) {
        if (visit.pass == Net::Pass::backward && ++visits == 4)
          throw std::runtime_error("interrupted");
      });
      CHECK_THROWS_WITH(accumulate_gradients(net, x, labels(small_batch.n)), "interrupted");
      net.observe({});
    }
    CHECK(device.memory().live() == before);
    CHECK(same_bits(step(net, device).gradients, expected.gradients));
  });
}

TEST_CASE("reversible and checkpointed training follow stored training for 20 steps") {
  Cpu device(2);
  for (Architecture architecture : {Architecture::revnet, Architecture::irevnet}) {
    const auto train = [&](const std::string& mode) {
      Net net = small_net(device, architecture);
      way(architecture, mode).choose(net);
      Sgd<double, Cpu> sgd(net.parameters(), {.momentum = 0.9, .weight_decay = 1e-3});
      Values losses;
      for (unsigned i = 0; i < 20; ++i) {
        auto x = images(device, small_batch, i % 4);
        losses.push_back(accumulate_gradients(net, x, labels(small_batch.n)).loss);
        sgd.step(0.02);
      }
      return std::pair(losses, buffers(net));
    };
    const auto [stored, averages] = train("stored");
    CHECK(stored.back() < 0.7 * stored.front());
    for (const char* mode : {"reversible", "checkpoint 1", "checkpoint sqrt"}) {
      CAPTURE(name(architecture), mode);
      const auto [losses, other_averages] = train(mode);
      double distance = 0;
      for (std::size_t i = 0; i < 20; ++i)
        distance = std::max(distance, std::abs(losses[i] - stored[i]));
      CHECK(distance < 1e-9);
      CHECK(relative_distance(other_averages, averages) < 1e-9);
    }
  }
}

TEST_CASE("evaluate uses the running averages and changes nothing") {
  Cpu device(2);
  Net net = small_net(device, Architecture::revnet);
  step(net, device);
  const auto averages = buffers(net);
  const Bytes before = device.memory().live();
  const auto three = labels(3);
  auto batch = images(device, {3, 8, 12, 3}), one = clone(batch.view().images(1, 1));
  const BatchLoss loss = evaluate(net, batch, three);
  CHECK(loss.images == 3);
  CHECK(batch.shape() == Shape{3, 1, 1, 10});
  evaluate(net, one, std::span(three).subspan(1, 1));
  CHECK(relative_distance(values(one), values(batch.view().images(1, 1))) < 1e-14);
  CHECK(same_bits(buffers(net), averages));
  CHECK(device.memory().live().total() == before.total() + (30 + 10) * sizeof(double));
}

TEST_CASE("the first layer whose output is no number is named") {
  Cpu device(2);
  Net net = small_net(device, Architecture::revnet);
  auto x = images(device);
  CHECK(first_nonfinite_layer(net, x) == "");
  const auto averages = buffers(net);
  auto list = net.parameters();
  for (auto& named : list.parameters)
    if (named.name == "level1.block1.g.conv0.weight")
      named.parameter->value.data()[5] = std::numeric_limits<double>::quiet_NaN();
  x = images(device);
  CHECK(first_nonfinite_layer(net, x) == "level1.block1");
  CHECK(same_bits(buffers(net), averages));
  x = images(device);
  x.data()[7] = std::numeric_limits<double>::infinity();
  CHECK(first_nonfinite_layer(net, x) == "stem");

  auto odd = images(device, {2, 7, 8, 3});
  CHECK_THROWS_AS(first_nonfinite_layer(net, odd), ShapeError);
  x = images(device);
  CHECK_NOTHROW(net.forward(x, inference));  // nothing observes any more
}

TEST_CASE("the first gradient on the way back that is no number is named") {
  Cpu device;
  Random random(1);
  Conv2d<float, Cpu> first(device, 2, 2, random), second(device, 2, 2, random);
  ParameterList<float, Cpu> list;
  first.collect("first", list);
  second.collect("second", list);
  CHECK(first_nonfinite_gradient(list) == "");
  first.weight().gradient.data()[3] = std::numeric_limits<float>::infinity();
  CHECK(first_nonfinite_gradient(list) == "first.weight");
  second.weight().gradient.data()[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK(first_nonfinite_gradient(list) == "second.weight");
}
