// A training step: what it needs, what is left when it fails, and that modes train alike.
#include "retrace/train/step.hpp"

#include "retrace/cpu/pointwise_loss.hpp"
#include "retrace/train/batch.hpp"
#include "retrace/train/loss/mean_squared_error.hpp"
#include "retrace/train/rules/sgd.hpp"
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
        accumulate_gradients(fresh, x, cross_entropy(ten));
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
      accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
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
      CHECK_THROWS_WITH(accumulate_gradients(net, x, cross_entropy(labels(small_batch.n))),
                        "interrupted");
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
        losses.push_back(accumulate_gradients(net, x, cross_entropy(labels(small_batch.n))).mean());
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
  const LossValue loss = evaluate(net, batch, cross_entropy(three));
  CHECK(loss.count == 3);
  CHECK(batch.shape() == Shape{3, 1, 1, 10});
  evaluate(net, one, cross_entropy(std::span(three).subspan(1, 1)));
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
  inside::collect(first, "first", list);
  inside::collect(second, "second", list);
  CHECK(first_nonfinite_gradient(list) == "");
  first.weight().gradient.data()[3] = std::numeric_limits<float>::infinity();
  CHECK(first_nonfinite_gradient(list) == "first.weight");
  second.weight().gradient.data()[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK(first_nonfinite_gradient(list) == "second.weight");
}

TEST_CASE("a step gives the gradient with respect to its batch") {
  Cpu device(2);
  const auto five = labels(small_batch.n);
  for_every_way(device, [&](Net& net, Architecture, const Way&) {
    const auto x = images(device);
    const Values direction = normal_values(x.shape().size(), 3);
    auto batch = clone(x);
    auto dx = Tensor<double, Cpu>::none(device);
    accumulate_gradients(net, batch, cross_entropy(five), {.dx = &dx});
    CHECK(dx.shape() == small_batch);
    const auto loss_at = [&](double step) {
      auto moved = clone(x);
      for (std::size_t i = 0; i < direction.size(); ++i) moved.data()[i] += step * direction[i];
      net.forward(moved, {Statistics::batch, false, false});
      Tensor<double, Cpu> unused(device, moved.shape());
      return cross_entropy(five)(moved, unused).mean();
    };
    const double slope = (loss_at(1e-6) - loss_at(-1e-6)) / 2e-6;
    CHECK(dot(values(dx), direction) == Approx(slope).epsilon(1e-4).margin(1e-6));
  });
}

namespace {

/// From an image to one of as many channels.
Net denoiser(Cpu& device) {
  Random random(2);
  Net net;
  net.add("in", Conv2d<double, Cpu>(device, 2, 4, random));
  net.add("out", Conv2d<double, Cpu>(device, 4, 2, random));
  return net;
}

}  // namespace

TEST_CASE("two heads on one body add their gradients, as one loss of both outputs would") {
  Cpu device;
  Random random(1);
  Net body, class_head, map_head;
  body.add("conv", Conv2d<double, Cpu>(device, 3, 4, random));
  class_head.add("conv", Conv2d<double, Cpu>(device, 4, 5, random));
  map_head.add("conv", Conv2d<double, Cpu>(device, 4, 2, random));
  const auto x = normal<double>(device, {2, 3, 3, 3}),
             target = normal<double>(device, {2, 3, 3, 2}, 2);
  const std::vector<std::int32_t> classes(18, 3);
  const auto step = [&](bool back) {
    auto batch = clone(x);
    body.forward(batch, training);
    auto copied = clone(batch);
    auto dx = Tensor<double, Cpu>::none(device), more = Tensor<double, Cpu>::none(device);
    const double loss =
        accumulate_gradients(class_head, copied, cross_entropy(classes), {.dx = &dx}).mean() +
        accumulate_gradients(map_head, batch, mean_squared_error(target), {.dx = &more}).mean();
    add(dx.view(), more.view());
    if (back)
      body.backward(batch, dx);
    else
      body.abandon();
    return loss;
  };
  step(true);
  auto& weight = *body.parameters().parameters.front().parameter;
  const Values gradient = values(weight.gradient);
  for (Index i : {0, 17, 60}) {
    const double here = weight.value.data()[i];
    weight.value.data()[i] = here + 1e-6;
    const double up = step(false);
    weight.value.data()[i] = here - 1e-6;
    const double down = step(false);
    weight.value.data()[i] = here;
    CHECK((up - down) / 2e-6 == Approx(gradient[static_cast<std::size_t>(i)]).epsilon(1e-6));
  }
}

TEST_CASE("a lambda is a loss, and its error leaves nothing behind") {
  Cpu device;
  Net net = denoiser(device);
  const Bytes before = device.memory().live();
  {
    auto x = normal<double>(device, {2, 4, 4, 2});
    const auto sum = [](const auto& y, auto& dy) {
      fill(dy.view(), 1.0);
      double total = 0;
      for (double value : values(y)) total += value;
      return LossValue{.sum = total, .weight = 1};
    };
    CHECK(accumulate_gradients(net, x, sum).mean() != 0);
    CHECK(largest(gradients(net).front()) > 0);
    const auto fails = [](const auto&, auto&) -> LossValue {
      throw std::runtime_error("no truth");
    };
    CHECK_THROWS_WITH(accumulate_gradients(net, x, fails), "no truth");
    CHECK_THROWS_WITH(peak_memory(net, device, x.shape(), fails), "no truth");
  }
  CHECK(device.memory().live() == before);
}

TEST_CASE(
    "a network that is no classifier is rehearsed, and a rehearsal that throws leaves nothing") {
  Cpu device;
  Net net = denoiser(device);
  const Shape shape{2, 4, 4, 2};
  auto x = normal<double>(device, shape);
  const auto target = clone(x);
  const Bytes before = device.memory().live();
  const PeakMemory predicted = peak_memory(net, device, shape);
  const std::vector<std::int32_t> too_few(2, 0);
  CHECK_THROWS_AS(peak_memory(net, device, shape, cross_entropy(too_few)), ShapeError);
  CHECK(device.memory().live() == before);
  device.memory().set_limit(before.total() + (1 << 20));
  device.memory().restart_peak();
  CHECK_NOTHROW(accumulate_gradients(net, x, mean_squared_error(target)));
  const std::size_t batch = sizeof(double) * static_cast<std::size_t>(shape.size());
  CHECK(device.memory().peak().total() + batch == predicted.bytes.total());

  std::optional<Tensor<double, Cpu>> outlives;
  {
    Cpu::Rehearsal rehearsal(device);
    outlives.emplace(device, shape);
  }
  outlives.reset();
  CHECK(device.memory().live() == before);
}

TEST_CASE("gradients that are away stay away in a rehearsal, and the next step makes them") {
  Cpu device;
  Net net = small_net(device, Architecture::revnet);
  const StepValues expected = step(net, device);
  net.parameters().release_gradients();
  const Bytes before = device.memory().live();
  peak_memory(net, device, small_batch);
  CHECK(device.memory().live() == before);
  auto x = images(device);
  accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
  CHECK(same_bits(gradients(net), expected.gradients));
}

TEST_CASE("micro-batches whose images weigh differently take the weight of the whole batch") {
  Cpu device;
  Net net = denoiser(device);
  const auto x = normal<double>(device, {4, 2, 2, 2});
  const std::vector<std::int32_t> all{0, 1, 1, 1, 0, 0, 0, 9, 9, 9, 9, 1, 0, 1, 0, 1};
  const CrossEntropyOfLabels loss_of{{.ignore = 9, .weights = {1, 3}}};
  const auto load = [&](Index first, Index count) {
    return LabelledBatch<double, Cpu>{clone(x.view().images(first, count)),
                                      {all.data() + 4 * first, all.data() + 4 * (first + count)}};
  };
  auto whole = load(0, 4);
  const LossValue expected = accumulate_gradients(net, whole.x, loss_of(whole));
  const auto gradient = gradients(net);
  net.parameters().zero_gradients();
  const LossValue found =
      accumulate_gradients(net, 4, 1, load, loss_of, loss_of(whole).weight().weight);
  CHECK(found.mean() == Approx(expected.mean()).epsilon(1e-14));
  CHECK(relative_distance(gradients(net), gradient) < 1e-14);
  CHECK_THROWS_WITH(accumulate_gradients(net, 4, 1, load, loss_of),
                    containing("give the weight of the whole batch"));
  CHECK_THROWS_WITH(accumulate_gradients(net, 4, 1, load, loss_of, 20),
                    containing("the batch weighs 24"));
}
