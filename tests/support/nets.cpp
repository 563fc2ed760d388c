#include "support/nets.hpp"

#include "support/catch.hpp"

namespace retrace {
template Chain<double, Cpu> build<double, Cpu>(Cpu&, Architecture, const NetOptions&);
}

namespace retrace::test {

NetOptions small_options(Architecture architecture) {
  NetOptions options = paper_options(architecture);
  options.seed = 4;
  options.blocks = {2, 1};
  options.channels = {8, 16};
  if (architecture == Architecture::irevnet) options.channels = {8, 32};
  if (architecture == Architecture::layerwise || architecture == Architecture::hybrid) {
    options.blocks = {2, 1, 1};
    options.channels = {8, 32, 32};
  }
  return options;
}

Net small_net(Cpu& device, Architecture architecture) {
  return build<double>(device, architecture, small_options(architecture));
}

Net deep_net(Cpu& device, Architecture architecture, Index blocks) {
  NetOptions options = paper_options(architecture);
  options.channels = {8};
  options.blocks = {blocks};
  return build<double>(device, architecture, options);
}

std::vector<Way> ways(Architecture architecture) {
  const bool layers_invert =
      architecture == Architecture::layerwise || architecture == Architecture::resnet_inplace_abn;
  return {{"stored", false, [](Net& net) { net.set_mode(Mode::stored); }},
          {"checkpoint 1", false, [](Net& net) { net.checkpoint_every(1); }},
          {"checkpoint 2", false, [](Net& net) { net.checkpoint_every(2); }},
          {"checkpoint sqrt", false, [](Net& net) { net.checkpoint_sqrt(); }},
          {"reversible", layers_invert, [](Net& net) { net.set_mode(Mode::reversible); }},
          {"inverted", layers_invert || architecture == Architecture::hybrid,
           [](Net& net) { net.set_mode(Mode::inverted); }},
          {"chunked", layers_invert, [](Net& net) {
             net.set_mode(Mode::chunked);
             net.set_chunk(2);
           }}};
}

Way way(Architecture architecture, const std::string& name) {
  for (const Way& each : ways(architecture))
    if (each.name == name) return each;
  throw std::invalid_argument("there is no variant named " + name);
}

void for_every_way(Cpu& device, const std::function<void(Net&, Architecture, const Way&)>& body) {
  for (Architecture architecture : all_architectures)
    for (const Way& each : ways(architecture)) {
      CAPTURE(name(architecture), each.name);
      Net net = small_net(device, architecture);
      each.choose(net);
      body(net, architecture, each);
    }
}

double noise_gain(Architecture architecture) {
  // A leaky rectifier of slope n amplifies white noise by 1/√α, α = 4/((1 + 1/n²)(1 + n²)), and a
  // normalisation by σ/s, here below 4. The number of both that are inverted in a row:
  const int in_a_row = architecture == Architecture::layerwise ? 4
                       : architecture == Architecture::hybrid  ? 2
                                                               : 1;
  const double n = small_options(architecture).slope;
  return std::pow(4 * std::sqrt((1 + 1 / (n * n)) * (1 + n * n)) / 2, in_a_row);
}

Tensor<double, Cpu> images(Cpu& device, Shape batch, unsigned seed) {
  return normal<double>(device, batch, 1000 + seed);
}

std::vector<std::int32_t> labels(Index count) {
  std::vector<std::int32_t> list;
  for (Index i = 0; i < count; ++i) list.push_back(static_cast<std::int32_t>(3 * i % 10));
  return list;
}

std::vector<Values> weights(Net& net) {
  std::vector<Values> list;
  for (auto& named : net.parameters().parameters) list.push_back(values(named.parameter->value));
  return list;
}

std::vector<Values> gradients(Net& net) {
  std::vector<Values> list;
  for (auto& named : net.parameters().parameters) list.push_back(values(named.parameter->gradient));
  return list;
}

std::vector<Values> buffers(Net& net) {
  std::vector<Values> list;
  for (auto& named : net.parameters().buffers) list.push_back(values(*named.tensor));
  return list;
}

double relative_distance(const std::vector<Values>& a, const std::vector<Values>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double distance = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    distance = std::max(distance, relative_distance(a[i], b[i]));
  return distance;
}

StepValues step(Net& net, Cpu& device, Shape batch, unsigned seed) {
  net.parameters().zero_gradients();
  auto x = images(device, batch, seed);
  const LossValue loss = accumulate_gradients(net, x, cross_entropy(labels(batch.n)));
  return {loss, values(x), gradients(net), buffers(net)};
}

}  // namespace retrace::test
