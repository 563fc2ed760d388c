#include "retrace/layer/lsh_attention.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "retrace/cpu/lsh_attention.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Index heads = 2, depth = 5, chunk = 8;

template <class T>
LshAttention<T, Cpu> attention(Cpu& device, Index rounds, bool causal = true) {
  return {device, {.heads = heads, .chunk = chunk, .rounds = rounds, .causal = causal, .seed = 3}};
}

/// Of one head of one sequence: the positions that each position attends to, by the definition.
std::vector<std::set<Index>> allowed_pairs(const Tensor<std::uint16_t, Cpu>& buckets, Index image,
                                           Index head, Index rounds, bool causal) {
  const Index n = buckets.shape().w;
  std::vector<std::set<Index>> all(std::size_t(n), std::set<Index>{});
  for (Index r = 0; r < rounds; ++r) {
    const auto bucket = [&](Index i) {
      return buckets.view().pixel(image * n + i)[head * rounds + r];
    };
    std::vector<Index> order(std::size_t(n), 0), place(std::size_t(n), 0);
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](Index a, Index b) { return bucket(a) < bucket(b); });
    for (Index slot = 0; slot < n; ++slot)
      place[std::size_t(order[std::size_t(slot)])] = slot / chunk;
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j) {
        const Index back = place[std::size_t(i)] - place[std::size_t(j)];
        if (bucket(i) == bucket(j) && (back == 0 || back == 1) && (causal ? j < i : j != i))
          all[std::size_t(i)].insert(j);
      }
  }
  return all;
}

/// Dense attention restricted to the pairs of a layer, and its gradient, by loops.
struct Dense {
  Values y, dx;
  std::size_t pairs = 0, alone = 0;

  Dense(const Tensor<double, Cpu>& x, const Tensor<double, Cpu>& dy,
        const Tensor<std::uint16_t, Cpu>& buckets, Index rounds, bool causal)
      : y(std::size_t(dy.shape().size()), 0.0), dx(std::size_t(x.shape().size()), 0.0) {
    for (Index image = 0; image < x.shape().n; ++image)
      for (Index head = 0; head < heads; ++head)
        add_head(x, dy, image, head, allowed_pairs(buckets, image, head, rounds, causal));
  }

  void add_head(const Tensor<double, Cpu>& x, const Tensor<double, Cpu>& dy, Index image,
                Index head, const std::vector<std::set<Index>>& of) {
    const Index n = x.shape().w, c = dy.shape().c, base = image * n;
    const auto q = [&](Index i) { return x.view().pixel(base + i) + head * depth; };
    const auto v = [&](Index i) { return x.view().pixel(base + i) + c + head * depth; };
    const auto g = [&](Index i) { return dy.view().pixel(base + i) + head * depth; };
    const auto dq = [&](Index i) { return dx.data() + (base + i) * 2 * c + head * depth; };
    const auto dv = [&](Index i) { return dq(i) + c; };
    const auto inner = [](const double* a, const double* b) {
      return std::inner_product(a, a + depth, b, 0.0);
    };
    for (Index i = 0; i < n; ++i) {
      const auto& others = of[std::size_t(i)];
      pairs += others.size();
      double* out = y.data() + (base + i) * c + head * depth;
      if (others.empty()) {
        ++alone;
        for (Index k = 0; k < depth; ++k) out[k] = v(i)[k], dv(i)[k] += g(i)[k];
        continue;
      }
      double sum = 0, mean = 0;
      for (Index j : others) sum += std::exp(inner(q(i), q(j)) / std::sqrt(inner(q(j), q(j))));
      for (Index j : others) {
        const double norm = std::sqrt(inner(q(j), q(j))),
                     p = std::exp(inner(q(i), q(j)) / norm) / sum;
        mean += p * inner(g(i), v(j));
      }
      for (Index j : others) {
        const double norm = std::sqrt(inner(q(j), q(j))), s = inner(q(i), q(j)) / norm;
        const double p = std::exp(s) / sum, ds = p * (inner(g(i), v(j)) - mean);
        for (Index k = 0; k < depth; ++k) {
          out[k] += p * v(j)[k];
          dv(j)[k] += p * g(i)[k];
          dq(i)[k] += ds * q(j)[k] / norm;
          dq(j)[k] += ds * (q(i)[k] / norm - s * q(j)[k] / (norm * norm));
        }
      }
    }
  }
};

}  // namespace

TEST_CASE("LshAttention and its gradient are those of dense attention restricted to its pairs") {
  Cpu device(2);
  for (bool causal : {true, false})
    for (Index rounds : {1, 2, 4, 8})
      for (Index positions : {1, 7, 8, 9, 64, 150}) {
        INFO(rounds << " rounds, " << positions << " positions, causal " << causal);
        auto layer = attention<double>(device, rounds, causal);
        const Shape shape{2, 1, positions, 2 * heads * depth};
        const auto x = normal<double>(device, shape, 1);
        const auto dy = normal<double>(device, with_channels(shape, heads * depth), 2);
        Tensor<double, Cpu> y(device, dy.shape()), dx(device, shape);
        layer.apply(y.view(), x.view(), training, Store::set);
        layer.gradient(x.view(), dy.view(), dx.view(), Store::set);
        const Dense dense(x, dy, layer.buckets(), rounds, causal);
        CHECK(relative_distance(values(y), dense.y) < 1e-13);
        CHECK(relative_distance(values(dx), dense.dx) < 1e-12);
        if (positions == 150) {
          CHECK(dense.pairs > 300);
          if (causal) CHECK(dense.alone > 0);
        }
      }
}

TEST_CASE("LshAttention keeps the contract of a layer under one draw of rotations") {
  for (Index rounds : {1, 3}) {
    const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
      return attention<T>(device, rounds);
    };
    CHECK(check_layer(make, {{2, 1, 21, 20}}, {.agreement = 32, .added = 8, .random = true}) == "");
  }
}

TEST_CASE("LshAttention hashes a replay as its batch was hashed, also by chunks") {
  Cpu device;
  auto layer = attention<double>(device, 2);
  const Shape shape{3, 1, 40, 20};
  auto x = normal<double>(device, shape, 1);
  const auto run = [&](View<const double, Cpu> from, Run how) {
    Tensor<double, Cpu> y(device, with_channels(from.shape(), 10));
    layer.apply(y.view(), from, how, Store::set);
    return values(y);
  };
  const Values first = run(std::as_const(x).view(), preview(training));
  CHECK(run(std::as_const(x).view(), replay(training)) == first);
  const auto buckets = values(clone(layer.buckets()));
  // An x that hashes otherwise attends to the pairs of the batch.
  scale(x.view(), -1);
  run(std::as_const(x).view(), replay(training));
  CHECK(values(clone(layer.buckets())) == buckets);
  scale(x.view(), -1);
  Run chunked = replay(training);
  chunked.chunk = {1, 2};
  const Values part = run(std::as_const(x).view().images(1, 2), chunked);
  CHECK(part == Values(first.begin() + 400, first.end()));
  CHECK(run(std::as_const(x).view(), training) != first);
  CHECK(run(std::as_const(x).view(), inference) == run(std::as_const(x).view(), inference));
}

TEST_CASE("LshAttention attends to no later position") {
  Cpu device;
  auto layer = attention<double>(device, 4);
  auto x = normal<double>(device, {1, 1, 100, 20}, 1);
  Tensor<double, Cpu> y(device, {1, 1, 100, 10}), z(device, {1, 1, 100, 10});
  layer.apply(y.view(), std::as_const(x).view(), training, Store::set);
  for (Index c = 0; c < 20; ++c) x.view().pixel(60)[c] += 10;
  layer.apply(z.view(), std::as_const(x).view(), replay(training), Store::set);
  const Values before = values(y), after = values(z);
  CHECK(std::equal(before.begin(), before.begin() + 600, after.begin()));
  CHECK_FALSE(std::equal(before.begin() + 600, before.end(), after.begin() + 600));
}

TEST_CASE("A rehearsal of LshAttention draws nothing and predicts its memory") {
  Cpu device;
  auto layer = attention<float>(device, 2), fresh = attention<float>(device, 2);
  const Shape shape{2, 1, 50, 20};
  const auto step = [&](LshAttention<float, Cpu>& of) {
    Tensor<float, Cpu> x(device, shape), dx(device, shape), y(device, {2, 1, 50, 10}),
        dy(device, {2, 1, 50, 10});
    const Values drawn = normal_values(shape.size(), 1);
    upload(x.view(), std::vector<float>(drawn.begin(), drawn.end()));
    fill(dy.view(), 1);
    of.apply(y.view(), std::as_const(x).view(), training, Store::set);
    of.gradient(std::as_const(x).view(), std::as_const(dy).view(), dx.view(), Store::set);
    return device.dry() ? Values{} : values(y);
  };
  std::size_t predicted = 0;
  const auto live = device.memory().live();
  {
    Cpu::Rehearsal rehearsal(device);
    step(layer);
    predicted = device.memory().peak().total();
  }
  CHECK(device.memory().live() == live);
  device.memory().restart_peak();
  const Values y = step(layer);
  CHECK(device.memory().peak().total() == predicted);
  CHECK(y == step(fresh));
}

TEST_CASE("LshAttention refuses what does not fit") {
  Cpu device;
  const auto make = [&](LshAttentionOptions options) { LshAttention<float, Cpu>(device, options); };
  CHECK_THROWS_WITH(make({.heads = 0}), "LshAttention: heads must be at least 1, got 0");
  CHECK_THROWS_WITH(make({.chunk = -1}), "LshAttention: the chunk must be at least 1, got -1");
  CHECK_THROWS_WITH(make({.rounds = 0}), "LshAttention: the hash rounds must be at least 1, got 0");
  CHECK_THROWS_WITH(make({.buckets = 7}),
                    "LshAttention: the buckets must be even and at most 65534, got 7");
  AnyLayer<float> layer = attention<float>(device, 2);
  auto odd = normal<float>(device, {1, 1, 9, 22});
  CHECK_THROWS_WITH(layer.forward(odd, training),
                    "LshAttention: x is 1x1x9x22 but its channels must divide into 2 tensors of 2 "
                    "heads: a multiple of 4");
  auto x = normal<float>(device, {1, 1, 9, 20});
  CHECK_THROWS_WITH(layer.forward(x, replay(training)),
                    "LshAttention: a replay of 1x1x9x20 follows no forward pass of that batch");
  Run run = training;
  run.pass = next_pass();
  auto y = normal<float>(device, {1, 1, 9, 20});
  layer.forward(y, run);
  auto z = normal<float>(device, {1, 1, 9, 20});
  CHECK_THROWS_WITH(layer.forward(z, run),
                    "LshAttention: it is used twice in one pass, but hashes one batch a pass");
}
