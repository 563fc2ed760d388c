#include "retrace/layer/condition.hpp"

#include "retrace/cpu/flow_maps.hpp"
#include "retrace/layer/flow_coupling.hpp"
#include "retrace/net/flow_parts.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
using Shared = SharedCondition<T, Cpu>;

/// A coupling of 4 channels on a condition of `channels`.
template <class T>
auto coupling(Cpu& device, Shared<T> condition, Index channels) {
  FlowParts<T, Cpu> make(device, 3);
  auto branch = make.image_branch(2 + channels, 5, 4);
  ParameterList<T, Cpu> list;
  inside::collect(branch, "", list);
  Random random(4);
  for (auto& named : list.parameters)  // the last layer starts at 0
    for (Index i = 0; i < named.parameter->value.shape().size(); ++i)
      named.parameter->value.data()[i] += static_cast<T>(0.2 * random.normal());
  return FlowCoupling(Conditioned(std::move(branch), std::move(condition), channels),
                      maps::Affine{0.5});
}

Values output(const Shared<double>& condition, Shape x, Index channels) {
  Cpu device;
  auto layer = coupling<double>(device, condition, channels);
  auto y = normal<double>(device, x);
  layer.forward(y, inference);
  return values(y);
}

}  // namespace

TEST_CASE("a coupling on one condition for all keeps the contract") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    auto condition = std::make_shared<Condition<T, Cpu>>();
    condition->set(normal<T>(device, {1, 1, 1, 3}));
    return coupling<T>(device, condition, 3);
  };
  CHECK(check_layer(make, {{2, 3, 4, 4}, {1, 2, 2, 4}}, {4096, 4096, 65536}) == "");
}

TEST_CASE("each image has its own condition, as a vector or as an image, in chunks too") {
  Cpu device;
  const auto condition = std::make_shared<Condition<double, Cpu>>();
  for (Shape of : {Shape{3, 1, 1, 4}, Shape{3, 4, 4, 1}}) {
    const auto all = normal<double>(device, of, 8);
    const auto x = normal<double>(device, {3, 2, 2, 4});
    auto layer = coupling<double>(device, condition, 4);
    condition->set(clone(all));
    auto y = clone(x);
    layer.forward(y, inference);
    for (Index n = 0; n < 3; ++n) {
      condition->set(clone(all.view().images(n, 1)));
      auto alone = clone(x.view().images(n, 1));
      layer.forward(alone, inference);
      CHECK(relative_distance(values(alone), values(y.view().images(n, 1))) < 1e-14);
    }
    condition->set(clone(all));
    std::vector<Values> passes;
    for (Mode mode : all_modes) {
      inside::set_mode(layer, mode);
      inside::set_chunk(layer, 2);
      auto state = clone(x);
      layer.forward(state, training);
      auto dy = normal<double>(device, x.shape(), 5, Use::gradient);
      layer.backward(state, dy);
      passes.push_back(values(dy));
      CHECK(relative_distance(passes.back(), passes.front()) < 1e-12);
    }
  }
}

TEST_CASE("a condition must be set, fit, and stay until backward") {
  Cpu device;
  const auto condition = std::make_shared<Condition<double, Cpu>>();
  CHECK_THROWS_WITH(output(condition, {2, 2, 2, 4}, 3),
                    containing("no condition has been set before this pass"));
  condition->set(normal<double>(device, {2, 1, 1, 4}));
  CHECK_THROWS_WITH(output(condition, {2, 2, 2, 4}, 3),
                    containing("the condition is 2x1x1x4, but a state of 2x2x2x2 needs one of 2 "
                               "images, or 1, that fits into 3 channels"));
  condition->set(normal<double>(device, {3, 1, 1, 3}));
  CHECK_THROWS_AS(output(condition, {2, 2, 2, 4}, 3), ShapeError);
  condition->set(normal<double>(device, {2, 3, 3, 3}));
  CHECK_THROWS_WITH(output(condition, {2, 2, 2, 4}, 3), containing("cannot be squeezed"));

  auto layer = coupling<double>(device, condition, 3);
  condition->set(normal<double>(device, {2, 1, 1, 3}));
  auto x = normal<double>(device, {2, 2, 2, 4}), dy = clone(x, Use::gradient);
  layer.forward(x, training);
  condition->set(normal<double>(device, {2, 1, 1, 3}, 6));
  CHECK_THROWS_WITH(layer.backward(x, dy),
                    containing("the condition has been set between forward and backward"));
}

TEST_CASE("labels become one-hot vectors, and those that are no class are refused") {
  Cpu device;
  const std::vector<int> labels{2, 0};
  CHECK(values(one_hot<double>(device, std::span<const int>(labels), 3)) ==
        Values{0, 0, 1, 1, 0, 0});
  CHECK_THROWS_WITH(one_hot<double>(device, std::span<const int>(labels), 2),
                    containing("label 2 of image 0 must be from 0 to 1"));
}
