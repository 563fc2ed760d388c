#include "retrace/layer/chunked_head.hpp"

#include "retrace/cpu/token_loss.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/train/loss/mean_of.hpp"
#include "retrace/train/step.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr std::int32_t nothing = -100;
const std::vector<std::int32_t> twelve{0, 6, 3, 3, nothing, 1, 2, 5, nothing, 4, 6, 0};

template <class T>
Linear<T, Cpu> linear(Cpu& device) {
  Random random(1);
  return {device, 5, 7, random};
}

template <class T>
std::shared_ptr<Targets<Cpu>> labels_of(Cpu& device, const std::vector<std::int32_t>& labels) {
  auto targets = std::make_shared<Targets<Cpu>>(device, nothing);
  targets->set(labels);
  return targets;
}

template <class T>
Chain<T, Cpu> network(Cpu& device, std::shared_ptr<Targets<Cpu>> targets, Index chunk) {
  Chain<T, Cpu> net;
  net.add("head", ChunkedHead(linear<T>(device), std::move(targets), chunk));
  return net;
}

}  // namespace

TEST_CASE("ChunkedHead keeps the contract of a layer") {
  for (Index chunk : {1, 5, 100}) {
    const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
      return ChunkedHead(linear<T>(device), labels_of<T>(device, twelve), chunk);
    };
    CHECK(check_layer(make, {{2, 1, 6, 5}, {12, 1, 1, 5}, {1, 3, 4, 5}},
                      {.agreement = 32, .added = 4}) == "");
  }
}

TEST_CASE(
    "ChunkedHead and mean_of give the cross-entropy of a linear layer, in chunks of any size") {
  Cpu device;
  const Shape shape{2, 1, 6, 5};
  Chain<double, Cpu> whole;
  whole.add("head", linear<double>(device));
  auto x = normal<double>(device, shape);
  Tensor<double, Cpu> dx = Tensor<double, Cpu>::none(device);
  const LossValue wanted =
      accumulate_gradients(whole, x, cross_entropy(twelve, {.ignore = nothing}), {.dx = &dx});
  auto wanted_list = whole.parameters();
  for (Index chunk : {0, 1, 4, 5, 12}) {
    auto targets = labels_of<double>(device, twelve);
    auto net = network<double>(device, targets, chunk);
    auto x2 = normal<double>(device, shape);
    Tensor<double, Cpu> dx2 = Tensor<double, Cpu>::none(device);
    const LossValue loss = accumulate_gradients(net, x2, mean_of(targets), {.dx = &dx2});
    CHECK(loss.count == 10);
    CHECK(loss.mean() == Approx(wanted.mean()).epsilon(1e-13));
    CHECK(relative_distance(values(dx2), values(dx)) < 1e-14);
    CHECK(values(x2) == values(x));
    auto list = net.parameters();
    REQUIRE(list.parameters.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(list.parameters[i].name == wanted_list.parameters[i].name);
      CHECK(relative_distance(values(list.parameters[i].parameter->gradient),
                              values(wanted_list.parameters[i].parameter->gradient)) < 1e-14);
    }
  }
}

TEST_CASE("ChunkedHead never holds the logits of all positions") {
  Cpu device;
  const Index positions = 1000, classes = 500, chunk = 50;
  Random random(1);
  auto targets = std::make_shared<Targets<Cpu>>(device);
  const std::vector<std::int32_t> labels(std::size_t(positions), 3);
  targets->set(labels);
  Chain<float, Cpu> net;
  net.add("head", ChunkedHead(Linear<float, Cpu>(device, 8, classes, random), targets, chunk));
  {
    auto x = normal<float>(device, {1, 1, positions, 8});
    device.memory().restart_peak();
    accumulate_gradients(net, x, mean_of(targets));
  }
  const auto workspace = device.memory().peak()[Use::workspace];
  CHECK(device.memory().peak().total() < std::size_t(positions * classes) * sizeof(float) / 4);
  CHECK(workspace >= std::size_t(chunk * classes) * sizeof(float));
  const auto predicted = peak_memory(net, device, {1, 1, positions, 8}, mean_of(targets));
  CHECK(predicted.bytes.total() == device.memory().peak().total());
}

TEST_CASE("ChunkedHead completes each gradient once, after the last chunk") {
  Cpu device;
  auto targets = labels_of<double>(device, twelve);
  auto net = network<double>(device, targets, 5);
  auto list = net.parameters();
  int completed = 0;
  for (auto& named : list.parameters)
    named.parameter->on_complete = [&](Parameter<double, Cpu>&) { ++completed; };
  auto x = normal<double>(device, {2, 1, 6, 5});
  accumulate_gradients(net, x, mean_of(targets));
  CHECK(completed == 2);
}

TEST_CASE("ChunkedHead refuses labels that do not fit") {
  Cpu device;
  auto targets = labels_of<double>(device, twelve);
  auto net = network<double>(device, targets, 0);
  auto x = normal<double>(device, {2, 1, 5, 5});
  CHECK_THROWS_WITH(net.forward(x, training),
                    "head: Targets: there are labels of 12 positions, but the batch has 10: set "
                    "them before the pass");
  targets->set(std::vector<std::int32_t>{0, 1, 7});
  auto three = normal<double>(device, {3, 1, 1, 5});
  CHECK_THROWS_WITH(net.forward(three, training),
                    "ChunkedHead: label 7 of position 2 is not one of 7 classes, 0 to 6");
  targets->set(std::vector<std::int32_t>{0, -1, 2});
  CHECK_THROWS_AS(net.forward(three, training), DataError);
  CHECK_THROWS_WITH(ChunkedHead(linear<double>(device), targets, -1),
                    "ChunkedHead: the chunk is -1 positions, but must not be negative");
}
