// Every layer gives the same results on a GPU as on the host, where it is tested by its contract.
#include <functional>

#include "cuda/devices.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class D>
struct Case {
  const char* name;
  Shape shape;
  bool inverts;
  std::function<void(D&, Chain<double, D>&)> add;
};

/// Longer than 60 lines because it is a table with one row per layer.
template <class D>
std::vector<Case<D>> all_layers() {
  using T = double;
  using Net = Chain<double, D>;
  const auto branch = [](D& device, Random& random, Index inside, Index out) {
    Branch<T, D> made;
    made.add("conv0",
             NormActConv<T, D>(device, 3, inside, random, {}, {.activation = leaky_relu(0.5)}));
    made.add("conv1", NormActConv<T, D>(device, inside, out, random));
    return made;
  };
  return {
      {"Relu", {2, 5, 3, 7}, false, [](D&, Net& net) { net.add("layer", Relu<T, D>()); }},
      {"LeakyRelu",
       {2, 5, 3, 7},
       true,
       [](D&, Net& net) { net.add("layer", LeakyRelu<T, D>(0.3)); }},
      {"Dropout",
       {2, 5, 3, 7},
       false,
       [](D&, Net& net) { net.add("layer", Dropout<T, D>(0.3, 5)); }},
      {"ChannelPooling",
       {3, 4, 6, 5},
       true,
       [](D&, Net& net) { net.add("layer", ChannelPooling<T, D>()); }},
      {"BatchPooling",
       {3, 4, 6, 5},
       true,
       [](D&, Net& net) { net.add("layer", BatchPooling<T, D>()); }},
      {"MaxPooling",
       {3, 4, 6, 5},
       false,
       [](D&, Net& net) { net.add("layer", MaxPooling<T, D>()); }},
      {"GlobalAverage",
       {4, 3, 2, 5},
       false,
       [](D&, Net& net) { net.add("layer", GlobalAverage<T, D>(4)); }},
      {"BatchNorm",
       {4, 3, 5, 7},
       false,
       [](D& device, Net& net) {
         net.add("layer", BatchNorm<T, D>(device, 7, {.activation = relu}));
       }},
      {"InvertibleBatchNorm",
       {4, 3, 5, 7},
       true,
       [](D& device, Net& net) {
         net.add("layer", InvertibleBatchNorm<T, D>(device, 7, {.activation = leaky_relu(0.5)}));
       }},
      {"Conv2d",
       {3, 5, 7, 5},
       false,
       [](D& device, Net& net) {
         Random random(1);
         net.add("layer", Conv2d<T, D>(device, 5, 18, random, {.kernel = 3, .stride = 2}));
       }},
      {"NormActConv",
       {3, 5, 7, 5},
       false,
       [](D& device, Net& net) {
         Random random(1);
         net.add("layer", NormActConv<T, D>(device, 5, 18, random));
       }},
      {"Linear",
       {5, 1, 1, 7},
       false,
       [](D& device, Net& net) {
         Random random(1);
         net.add("layer", Linear<T, D>(device, 7, 10, random));
       }},
      {"AdditiveCoupling",
       {3, 5, 3, 6},
       true,
       [=](D& device, Net& net) {
         Random random(1);
         auto f = branch(device, random, 4, 3);
         net.add("layer", AdditiveCoupling(std::move(f), branch(device, random, 4, 3)));
       }},
      {"AffineCoupling",
       {3, 5, 3, 6},
       true,
       [=](D& device, Net& net) {
         Random random(1);
         auto f = branch(device, random, 4, 6);
         net.add("layer", AffineCoupling(std::move(f), branch(device, random, 4, 6), 0.2));
       }},
      {"SwapCoupling",
       {3, 5, 3, 6},
       true,
       [=](D& device, Net& net) {
         Random random(1);
         net.add("layer", SwapCoupling(branch(device, random, 4, 3)));
       }},
  };
}

/// The results of a layer for a batch, and the bytes held between and after its passes.
struct Made {
  std::vector<Values> values;
  std::size_t between, after;
};

template <class D>
Made passes(D& device, const Case<D>& layer, Mode mode) {
  Chain<double, D> net;
  layer.add(device, net);
  net.set_mode(mode);
  net.set_chunk(1);
  auto list = net.parameters();
  unsigned seed = 9;
  for (auto& named : list.parameters) {  // keep scales away from 0
    Tensor<double, D>& value = named.parameter->value;
    Values numbers = normal_values(value.shape().size(), seed++);
    for (double& number : numbers) number = std::abs(number) / 2 + 0.1;
    value = moved<double>(device, numbers, value.shape(), Use::parameter);
  }
  Made made;
  const auto keep = [&](const auto& tensor) { made.values.push_back(values(tensor)); };
  auto x = moved<double>(device, normal_values(layer.shape.size(), 1), layer.shape);
  if (layer.inverts) {
    auto y = clone(x);
    net.forward(y, training);
    net.inverse(y, training);
    net.abandon();
    keep(y);
  }
  net.forward(x, training);
  keep(x);
  made.between = device.memory().live().total();
  auto dy = moved<double>(device, normal_values(x.shape().size(), 2), x.shape(), Use::gradient);
  net.backward(x, dy);
  keep(x);
  keep(dy);
  made.after = device.memory().live().total();
  for (auto& named : list.parameters) keep(named.parameter->gradient);
  for (auto& named : list.buffers) keep(*named.tensor);
  return made;
}

}  // namespace

TEST_CASE("every layer gives the same results on a GPU as on the host") {
  const auto on_host = all_layers<Cpu>();
  const auto on_gpu = all_layers<Cuda>();
  for (std::size_t i = 0; i < on_host.size(); ++i)
    for (Mode mode : {Mode::stored, Mode::reversible, Mode::chunked}) {
      CAPTURE(on_host[i].name, static_cast<int>(mode));
      Cpu host(1);
      Cuda gpu(0, {.libraries = mode == Mode::stored});
      const Made expected = passes(host, on_host[i], mode), found = passes(gpu, on_gpu[i], mode);
      CHECK(relative_distance(found.values, expected.values) < 1e-10);
      CHECK(found.between == expected.between);
      CHECK(found.after == expected.after);
      CHECK(same_bits(passes(gpu, on_gpu[i], mode).values, found.values));
    }
}
