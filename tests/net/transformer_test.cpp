#include "retrace/net/transformer.hpp"

#include "retrace/cpu/operations.hpp"
#include "retrace/train/step.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

const TransformerOptions small{.tokens = 11, .channels = 16, .layers = 3, .heads = 4};

std::vector<std::int32_t> tokens(Index count) {
  std::vector<std::int32_t> ids;
  for (Index i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(i * i % 11));
  return ids;
}

template <class T>
struct Step {
  double loss;
  std::vector<Values> gradients;
};

/// One step of a model on n sequences of t tokens.
template <class T>
Step<T> step(Transformer<T, Cpu>& model, Index n, Index t) {
  Cpu& device = model.embedding.weight().value.device();
  const auto ids = tokens(n * t), next = tokens(n * t + 1);
  const std::span<const std::int32_t> labels(next.data() + 1, ids.size());
  auto list = model.parameters();
  list.zero_gradients();
  auto x = model.embedding.forward(ids, n, t);
  auto dx = Tensor<T, Cpu>::none(device);
  Step<T> result;
  result.loss = accumulate_gradients(model.net, x, cross_entropy(labels), {.dx = &dx}).mean();
  model.embedding.backward(ids, dx.view());
  for (const auto& named : list.parameters)
    result.gradients.push_back(values(named.parameter->gradient));
  return result;
}

template <class T>
Step<T> step(const TransformerOptions& options, Mode mode, Index n, Index t, Index chunk = 0) {
  Cpu device(2);
  auto model = transformer<T>(device, options);
  model.net.set_mode(mode);
  model.net.set_chunk(chunk);
  return step(model, n, t);
}

template <class T>
void check_same(const Step<T>& a, const Step<T>& b, double tolerance) {
  CHECK(std::abs(a.loss - b.loss) <= tolerance * std::abs(b.loss));
  REQUIRE(a.gradients.size() == b.gradients.size());
  for (std::size_t i = 0; i < a.gradients.size(); ++i)
    CHECK(gradient_distance(a.gradients, b.gradients, i) <= tolerance);
}

TransformerOptions with(TransformerOptions options, auto change) {
  change(options);
  return options;
}

/// Peak bytes of a step from the first layer to the last normalisation.
std::size_t peak(const TransformerOptions& options, Index n, Index t) {
  Cpu dry = Cpu::dry_device(2);
  auto model = transformer<float>(dry, options);
  model.net.set_mode(Mode::chunked);
  const AbsentGradients<float, Cpu> absent(model.net.parameters());
  Tensor<float, Cpu> x(dry, sequence(n, t, options.channels));
  Run run = training;
  run.restore = false;  // an embedding computes x again
  accumulate_gradients(model.net, x, NoLoss(), {.run = run});
  return dry.memory().peak().total();
}

}  // namespace

TEST_CASE("A transformer has the same gradients in every mode, with dropout too") {
  for (bool reversible : {true, false})
    for (double dropout : {0.0, 0.2}) {
      const auto options = with(small, [&](auto& o) {
        o.reversible = reversible;
        o.dropout = dropout;
        o.between = FeedForwardKind::gated_silu;
      });
      const auto stored = step<double>(options, Mode::stored, 3, 9);
      for (const Values& gradient : stored.gradients) CHECK(largest(gradient) > 0);
      check_same(step<double>(options, Mode::reversible, 3, 9), stored, 1e-10);
      check_same(step<double>(options, Mode::inverted, 3, 9), stored, 1e-10);
      check_same(step<double>(options, Mode::chunked, 3, 9, 1), stored, 1e-10);
      check_same(step<double>(options, Mode::chunked, 3, 9), stored, 1e-10);
    }
}

TEST_CASE("A transformer of mixed attention has the same gradients in every mode") {
  const auto options = with(small, [](auto& o) {
    o.attention = {AttentionKind::full, AttentionKind::local, AttentionKind::lsh};
    o.attention_chunk = 4;
  });
  const auto stored = step<double>(options, Mode::stored, 3, 19);
  check_same(step<double>(options, Mode::reversible, 3, 19), stored, 1e-10);
  check_same(step<double>(options, Mode::chunked, 3, 19, 1), stored, 1e-10);
}

TEST_CASE("A transformer takes sequences of any length") {
  for (Index t : {1, 2, 63, 65})
    check_same(step<double>(small, Mode::chunked, 2, t), step<double>(small, Mode::stored, 2, t),
               1e-10);
}

TEST_CASE("Twelve layers of a fixed-point transformer are inverted bit for bit") {
  const auto deep = [](Stream stream) {
    return with(small, [=](auto& o) {
      o.layers = 12;
      o.stream = stream;
    });
  };
  for (Stream stream : {Stream::fixed32, Stream::fixed16}) {
    const auto stored = step<float>(deep(stream), Mode::stored, 2, 20);
    // The gradients are functions of the state's bits.
    check_same(step<float>(deep(stream), Mode::reversible, 2, 20), stored, 0);
  }
  Cpu device(2);
  TransformerBlocks<float, Cpu> make(device, deep(Stream::fixed32));
  FixedStream<std::int32_t, float, Cpu> stream(
      FixedStreamOptions{.fraction_bits = 20, .head_room = {}});
  for (Index i = 0; i < 12; ++i)
    stream.chain().add("layer" + std::to_string(i), stream.rounded(make.coupling(i)));
  const auto x = normal<float>(device, {2, 1, 20, 32});
  Tensor<std::int32_t, Cpu> q(device, x.shape());
  store_rounded(q.view(), x.view(), stream.format()->step(), Store::set);
  const Values before = values(q);
  stream.chain().forward(q, preview(training));
  CHECK(values(q) != before);
  stream.chain().inverse(q, training);
  CHECK(values(q) == before);
}

TEST_CASE("Memory of a reversible transformer depends on tokens alone, at most 24·d bytes each") {
  const auto of_layers = [](Index layers) {
    return with(TransformerOptions{}, [=](auto& o) {
      o.layers = layers;
      o.head = false;
    });
  };
  const auto bytes_of_token = [&](Index layers) {
    const TransformerOptions options = of_layers(layers);
    return static_cast<double>(peak(options, 32, 512) - peak(options, 16, 512)) / (16 * 512);
  };
  const double two = bytes_of_token(2);
  CHECK(two <= 24 * 256);
  CHECK(bytes_of_token(12) == two);
  CHECK(bytes_of_token(24) == two);
  // A chunk of attention is a whole sequence.
  const TransformerOptions options = of_layers(12);
  CHECK(peak(options, 1, 16384) - peak(options, 1, 8192) <= 36 * 256 * 8192);
}

TEST_CASE("A transformer names its parameters as its branches") {
  Cpu dry = Cpu::dry_device();
  auto model = transformer<float>(dry, with(small, [](auto& o) { o.layers = 1; }));
  std::vector<std::string> names;
  for (const auto& named : model.parameters().parameters) names.push_back(named.name);
  CHECK(names == std::vector<std::string>{
                     "embedding.weight", "layer0.f.norm.gamma", "layer0.f.norm.beta",
                     "layer0.f.attention.q", "layer0.f.attention.k", "layer0.f.attention.v",
                     "layer0.f.attention.o", "layer0.g.norm.gamma", "layer0.g.norm.beta",
                     "layer0.g.up.weight", "layer0.g.up.bias", "layer0.g.down.weight",
                     "layer0.g.down.bias", "norm.gamma", "norm.beta", "head.weight", "head.bias"});
}

TEST_CASE("A causal transformer does not see the future, and positions of all kinds differ") {
  Cpu device(2);
  for (PositionKind kind : {PositionKind::rotary, PositionKind::learned, PositionKind::axial}) {
    auto model = transformer<double>(device, with(small, [=](auto& o) {
                                       o.positions = kind;
                                       o.longest = 12;
                                       o.axial_rows = 3, o.axial_columns = 4;
                                     }));
    const auto logits = [&](std::vector<std::int32_t> ids) {
      auto x = model.embedding.forward(ids, 1, std::ssize(ids));
      model.net.forward(x, inference);
      return values(x);
    };
    const Values all = logits({1, 2, 3, 4, 5, 6}), other = logits({1, 2, 3, 9, 8, 7});
    const auto first = [](const Values& list) { return Values(list.begin(), list.begin() + 33); };
    CHECK(same_bits(first(all), first(other)));
    CHECK(all != other);
    const Values swapped = logits({2, 1, 3});
    CHECK(relative_distance(Values(swapped.end() - 11, swapped.end()),
                            Values(all.begin() + 22, all.begin() + 33)) > 1e-4);
  }
}

TEST_CASE("A vision transformer trains on patches of images") {
  Cpu device(2);
  auto net = vision_transformer<double>(device, small, {.height = 8, .width = 4, .patch = 2});
  CHECK(net.output_shape({5, 8, 4, 3}) == Shape{5, 1, 1, 10});
  const auto images = normal<double>(device, {5, 8, 4, 3});
  const std::vector<std::int32_t> labels{1, 2, 3, 4, 5};
  std::vector<Step<double>> steps;
  for (Mode mode : {Mode::stored, Mode::chunked}) {
    net.set_mode(mode);
    net.set_chunk(mode == Mode::chunked ? 2 : 0);
    auto list = net.parameters();
    list.zero_gradients();
    auto x = clone(images);
    steps.push_back({accumulate_gradients(net, x, cross_entropy(labels)).mean(), {}});
    for (const auto& named : list.parameters)
      steps.back().gradients.push_back(values(named.parameter->gradient));
  }
  check_same(steps[1], steps[0], 1e-10);
  CHECK_THROWS_WITH(net.output_shape({5, 9, 4, 3}),
                    "patches: Patches: x is 5x9x4x3 but height and width must be multiples of 2");
}

TEST_CASE("Patches are the pixels of squares") {
  Cpu device(1);
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return Patches<T, Cpu>(2); };
  CHECK(check_layer(make, {{2, 4, 6, 3}}, {}) == "");
  const auto twice = []<class T>(Cpu&) -> AnyLayer<T> { return Duplicate<T, Cpu>(); };
  CHECK(check_layer(twice, {{2, 1, 3, 5}}, {}) == "");
  const auto x = tensor<double>(device, {1, 2, 4, 1}, {0, 1, 2, 3, 4, 5, 6, 7});
  Tensor<double, Cpu> y(device, {1, 1, 2, 4});
  Patches<double, Cpu>(2).apply(y.view(), x.view(), training, Store::set);
  CHECK(values(y) == Values{0, 1, 4, 5, 2, 3, 6, 7});
}

TEST_CASE("A transformer refuses options that do not fit") {
  Cpu device(1);
  const auto attempt = [&](auto change) { transformer<float>(device, with(small, change)); };
  CHECK_THROWS_WITH(
      attempt([](auto& o) { o.heads = 3; }),
      "a transformer needs heads that divide the channels, got 3 heads and 16 channels");
  CHECK_THROWS_WITH(attempt([](auto& o) { o.tokens = 0; }),
                    "a transformer needs tokens >= 1, got 0");
  CHECK_THROWS_WITH(attempt([](auto& o) { o.attention = {AttentionKind::local}; }),
                    containing("needs learned or axial positions"));
  CHECK_THROWS_WITH(attempt([](auto& o) { o.positions = PositionKind::learned; }),
                    "a transformer needs longest with learned positions >= 1, got 0");
  CHECK_THROWS_WITH(attempt([](auto& o) {
                      o.stream = Stream::fixed16;
                      o.reversible = false;
                    }),
                    "a stream in fixed16 needs a reversible transformer");
}
