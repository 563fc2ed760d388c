#include "retrace/layer/autoregressive.hpp"

#include "retrace/cpu/flow_maps.hpp"
#include "retrace/math/spline.hpp"
#include "retrace/net/flow_parts.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class Map>
auto maker(Index channels, const Map& map) {
  return [=]<class T>(Cpu& device) -> AnyLayer<T> {
    FlowParts<T, Cpu> make(device, 3);
    Autoregressive layer(make.masked_branch(channels, 7, 2, map), map);
    ParameterList<T, Cpu> list;
    inside::collect(layer, "", list);
    Random random(4);
    for (auto& named : list.parameters)  // the last layer starts at 0
      for (Index i = 0; i < named.parameter->value.shape().size(); ++i)
        named.parameter->value.data()[i] += static_cast<T>(0.3 * random.normal());
    return layer;
  };
}

}  // namespace

TEST_CASE("an affine autoregressive layer keeps the contract") {
  CHECK(check_layer(maker(5, maps::Affine{0.5}), {{4, 1, 1, 5}, {1, 1, 3, 5}},
                    {4096, 4096, 65536}) == "");
}
TEST_CASE("one column alone is mapped by constants") {
  CHECK(check_layer(maker(1, maps::Affine{0.5}), {{4, 1, 1, 1}}, {4096, 4096, 65536}) == "");
}

TEST_CASE("the parameters of a channel depend on the channels before it alone") {
  Cpu device;
  const maps::Spline spline{.bins = 3};
  FlowParts<double, Cpu> make(device, 3);
  auto branch = make.masked_branch(4, 9, 2, spline);
  ParameterList<double, Cpu> list;
  inside::collect(branch, "", list);
  for (auto& named : list.parameters)
    assign(named.parameter->value.view(), normal_values(named.parameter->value.shape().size(), 2));
  const auto values_of = [&](Index moved) {
    auto x = normal<double>(device, {1, 1, 1, 4});
    if (moved >= 0) x.data()[moved] += 1;
    Tensor<double, Cpu> y(device, {1, 1, 1, 4 * spline.parameters()});
    branch.apply(y.view(), std::as_const(x).view(), inference, Store::set);
    return values(y);
  };
  const Values before = values_of(-1);
  for (Index moved = 0; moved < 4; ++moved) {
    const Values after = values_of(moved);
    for (Index c = 0; c < 4; ++c) {
      bool same = true;
      for (Index k = 0; k < Index(before.size()); ++k)
        if (spline.channel_of(k, 4) == c)
          same = same && before[std::size_t(k)] == after[std::size_t(k)];
      CHECK(same == (c <= moved));
    }
  }
}
