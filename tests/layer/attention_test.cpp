#include "retrace/layer/attention.hpp"

#include "retrace/cpu/operations.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// A problem of the operation, and its solution by the definition, in double.
struct Problem {
  Index images, queries, keys, heads, key_heads, channels;
  bool causal;
  Index window;
  std::vector<std::uint8_t> present = {};

  bool attends(Index image, Index query, Index key) const {
    const Index at = keys - queries + query;
    return (!causal || key <= at) && (window == 0 || std::abs(at - key) < window) &&
           (present.empty() || present[static_cast<std::size_t>(image * keys + key)]);
  }
  Shape q() const { return sequence(images, queries, heads * channels); }
  Shape k() const { return sequence(images, keys, key_heads * channels); }
};

struct Solution {
  Values y, dq, dk, dv;
};

Solution naive(const Problem& p, const Values& q, const Values& k, const Values& v,
               const Values& dy, double scale) {
  Solution s{Values(q.size()), Values(q.size()), Values(k.size()), Values(k.size())};
  const auto row = [&](Index image, Index positions, Index at, Index heads, Index head) {
    return static_cast<std::size_t>(((image * positions + at) * heads + head) * p.channels);
  };
  const auto dot = [&](const Values& a, std::size_t i, const Values& b, std::size_t j) {
    double sum = 0;
    for (std::size_t c = 0; c < static_cast<std::size_t>(p.channels); ++c)
      sum += a[i + c] * b[j + c];
    return sum;
  };
  const auto add = [&](Values& to, std::size_t i, double factor, const Values& from,
                       std::size_t j) {
    for (std::size_t c = 0; c < static_cast<std::size_t>(p.channels); ++c)
      to[i + c] += factor * from[j + c];
  };
  for (Index n = 0; n < p.images; ++n)
    for (Index h = 0; h < p.heads; ++h)
      for (Index i = 0; i < p.queries; ++i) {
        const std::size_t at = row(n, p.queries, i, p.heads, h);
        const Index group = h / (p.heads / p.key_heads);
        Values weight(static_cast<std::size_t>(p.keys));
        double total = 0, mean = 0;
        const auto key = [&](std::size_t j) {
          return row(n, p.keys, static_cast<Index>(j), p.key_heads, group);
        };
        for (std::size_t j = 0; j < weight.size(); ++j)
          if (p.attends(n, i, static_cast<Index>(j)))
            total += weight[j] = std::exp(scale * dot(q, at, k, key(j)));
        if (total == 0) continue;
        for (std::size_t j = 0; j < weight.size(); ++j) {
          weight[j] /= total;
          add(s.y, at, weight[j], v, key(j));
          add(s.dv, key(j), weight[j], dy, at);
          mean += weight[j] * dot(dy, at, v, key(j));
        }
        for (std::size_t j = 0; j < weight.size(); ++j) {
          const double slope = scale * weight[j] * (dot(dy, at, v, key(j)) - mean);
          add(s.dq, at, slope, k, key(j));
          add(s.dk, key(j), slope, q, at);
        }
      }
  return s;
}

template <class T>
Solution solve(Cpu& device, const Problem& p) {
  auto q = normal<T>(device, p.q(), 1), k = normal<T>(device, p.k(), 2),
       v = normal<T>(device, p.k(), 3), dy = normal<T>(device, p.q(), 4);
  Tensor<T, Cpu> y(device, q.shape()), lse(device, with_channels(q.shape(), p.heads)),
      dk(device, k.shape()), dv(device, k.shape());
  const View<const std::uint8_t, Cpu> mask(device, p.present.data(), with_channels(p.k(), 1), 1);
  const AttentionTerms<Cpu> terms{p.heads,  p.key_heads, p.causal,
                                  p.window, 0.5,         p.present.empty() ? nullptr : &mask};
  attention<T>(y.view(), lse.view(), q.view(), k.view(), v.view(), terms);
  attention_backward<T>(q.view(), dk.view(), dv.view(), q.view(), k.view(), v.view(), y.view(),
                        lse.view(), dy.view(), terms);
  return {values(y), values(q), values(dk), values(dv)};
}

std::vector<std::uint8_t> mask(Index size) {
  std::vector<std::uint8_t> present(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < present.size(); ++i) present[i] = i > 66 && i % 3 != 1;
  return present;
}

void compare_with_naive(Cpu& device, const Problem& p) {
  INFO(p.queries << " queries, " << p.keys << " keys, causal " << p.causal << ", window "
                 << p.window << ", masked " << !p.present.empty());
  const Solution exact = naive(p, normal_values(p.q().size(), 1), normal_values(p.k().size(), 2),
                               normal_values(p.k().size(), 3), normal_values(p.q().size(), 4), 0.5);
  const auto compared = [](const Values& a, const Values& b, double tolerance) {
    if (largest(b) < 1e-12)  // one key: the gradients of queries and keys vanish
      CHECK(largest(a) < tolerance);
    else
      CHECK(relative_distance(a, b) < tolerance);
  };
  const auto all = [&](const Solution& s, double tolerance) {
    compared(s.y, exact.y, tolerance);
    compared(s.dq, exact.dq, tolerance);
    compared(s.dk, exact.dk, tolerance);
    compared(s.dv, exact.dv, tolerance);
  };
  all(solve<double>(device, p), 1e-12);
  all(solve<float>(device, p), 2e-5);
}

template <class T>
Attention<T, Cpu> made(Cpu& device, Index channels, const AttentionOptions& options) {
  Random random(1);
  return {device, channels, random, options};
}

}  // namespace

TEST_CASE("Attention in tiles is attention by its definition, with its gradients") {
  Cpu device(2);
  for (Index t : {1, 2, 63, 65, 130})
    for (bool causal : {false, true})
      for (Index window : {0, 1, 20, 100}) {
        compare_with_naive(device, {1, t, t, 2, 2, 5, causal, window});
        compare_with_naive(device, {2, t, t, 2, 1, 4, causal, window, mask(2 * t)});
      }
  compare_with_naive(device, {2, 30, 130, 4, 2, 8, true, 0});
  compare_with_naive(device, {1, 1, 70, 3, 1, 16, true, 33});
}

TEST_CASE("Attention keeps the contract of a layer") {
  const auto plain = []<class T>(Cpu& device) -> AnyLayer<T> {
    return made<T>(device, 8, {.heads = 2});
  };
  const auto grouped = []<class T>(Cpu& device) -> AnyLayer<T> {
    return made<T>(device, 8,
                   {.heads = 4, .key_heads = 2, .causal = false, .window = 3, .rotary = false});
  };
  CHECK(check_layer(plain, {{2, 1, 5, 8}, {1, 1, 70, 8}, {3, 1, 1, 8}}, {.agreement = 64}) == "");
  CHECK(check_layer(grouped, {{2, 1, 7, 8}}, {.agreement = 64}) == "");
}

TEST_CASE("Attention in a chunk has the bits of the batch, and projects keys again") {
  Cpu device(2);
  Attention<float, Cpu> layer = made<float>(device, 24, {.heads = 4, .key_heads = 2});
  const auto mask_ = std::make_shared<SequenceMask<Cpu>>(device);
  mask_->set(mask(3 * 70), 3, 70);
  layer.set_mask(mask_);
  const auto x = normal<float>(device, {3, 1, 70, 24}), dy = normal<float>(device, x.shape(), 2);
  Tensor<float, Cpu> y(device, x.shape()), dx(device, x.shape()), part(device, {2, 1, 70, 24});
  layer.apply(y.view(), x.view(), preview(training), Store::set);
  const Values previewed = values(y);
  layer.apply(y.view(), x.view(), training, Store::set);
  CHECK(same_bits(values(y), previewed));
  layer.gradient(x.view(), dy.view(), dx.view(), Store::set);
  Run run = replay(training);
  run.chunk = {1, 2};
  layer.apply(part.view(), x.view().images(1, 2), run, Store::set);
  const auto last = [](const Values& all) { return Values(all.end() - 2 * 70 * 24, all.end()); };
  CHECK(same_bits(values(part), last(previewed)));
  layer.gradient(x.view().images(1, 2), dy.view().images(1, 2), part.view(), Store::set);
  CHECK(relative_distance(values(part), last(values(dx))) < 1e-6);
}

TEST_CASE("A mask of keys holds in every pass until it changes") {
  Cpu device(1);
  Attention<double, Cpu> masked = made<double>(device, 8, {.heads = 2, .causal = false});
  const auto mask_ = std::make_shared<SequenceMask<Cpu>>(device);
  masked.set_mask(mask_);
  const auto x = normal<double>(device, {1, 1, 6, 8});
  Tensor<double, Cpu> y(device, x.shape()), short_y(device, {1, 1, 4, 8}), dx(device, x.shape());
  mask_->set(std::vector<std::uint8_t>{1, 1, 1, 1, 0, 0}, 1, 6);
  for (int pass = 0; pass < 3; ++pass) {
    masked.apply(y.view(), x.view(), pass == 0 ? training : replay(training), Store::set);
    // The gradient of the first four positions does not reach the keys that are hidden.
    auto dy = normal<double>(device, x.shape(), 2);
    for (Index i = 4 * 8; i < 6 * 8; ++i) dy.data()[i] = 0;
    masked.gradient(x.view(), dy.view(), dx.view(), Store::set);
    const Values gradient = values(dx);
    CHECK(largest(Values(gradient.begin() + 4 * 8, gradient.end())) == 0);
    CHECK(largest(gradient) > 0);
  }
  const View<const double, Cpu> four(device, x.data(), short_y.shape(), 8);
  mask_->clear();
  masked.apply(short_y.view(), four, preview(training), Store::set);
  const Values all = values(y);
  CHECK(relative_distance(Values(all.begin(), all.begin() + 4 * 8), values(short_y)) < 1e-14);
}

TEST_CASE("Attention never holds a matrix of scores") {
  Cpu dry = Cpu::dry_device(1);
  AnyLayer<float> layer = made<float>(dry, 64, {.heads = 4});
  const auto peak = [&](Index t) {
    Tensor<float, Cpu> x(dry, {1, 1, t, 64});
    dry.memory().restart_peak();
    layer.forward(x, training);
    Tensor<float, Cpu> dx(dry, x.shape());
    layer.backward(x, dx);
    return dry.memory().peak().total();
  };
  const std::size_t constant = 2 * peak(4096) - peak(8192);
  CHECK(peak(65536) - constant == 16 * (peak(4096) - constant));
}

TEST_CASE("Attention refuses what does not fit") {
  Cpu device(1);
  const auto attempt = [&](AttentionOptions options) { made<float>(device, 12, options); };
  CHECK_THROWS_WITH(attempt({.heads = 5}), "Attention: 5 heads do not divide 12 channels");
  CHECK_THROWS_WITH(attempt({.heads = 4, .key_heads = 3}),
                    "Attention: 3 heads of keys do not divide 4 heads");
  CHECK_THROWS_WITH(
      attempt({.heads = 4}),
      "Attention: rotary positions need heads with an even number of channels, got 3");
  CHECK_THROWS_WITH(attempt({.heads = 2, .window = -1}),
                    "Attention: the window must not be negative, got -1");
  auto layer = made<float>(device, 12, {.heads = 2});
  auto x = normal<float>(device, {2, 1, 5, 12}), y = normal<float>(device, x.shape());
  CHECK_THROWS_WITH(layer.gradient(x.view(), x.view(), y.view(), Store::set),
                    "Attention: gradient() must follow an apply() that keeps");
  const auto mask_ = std::make_shared<SequenceMask<Cpu>>(device);
  layer.set_mask(mask_);
  mask_->set(std::vector<std::uint8_t>(8, 1), 2, 4);
  CHECK_THROWS_WITH(layer.apply(y.view(), x.view(), training, Store::set),
                    "SequenceMask: the mask is of 2 sequences of 4 positions, but x is 2x1x5x12");
  CHECK_THROWS_WITH(mask_->set(std::vector<std::uint8_t>(7, 1), 2, 4),
                    "SequenceMask: there are 7 numbers for 2 sequences of 4 positions");
}
