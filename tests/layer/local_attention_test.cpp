#include "retrace/layer/local_attention.hpp"

#include "retrace/cpu/lsh_attention.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Index heads = 2, depth = 5;

/// The definition, by loops.
Values dense(const Tensor<double, Cpu>& x, Index chunk, bool causal) {
  const Index n = x.shape().w, c = heads * depth;
  Values y(std::size_t(x.shape().n * n * c), 0.0);
  for (Index row = 0; row < x.shape().n * n; ++row)
    for (Index h = 0; h < heads; ++h) {
      const Index i = row % n, base = row - i;
      const double* q = x.view().pixel(row) + h * depth;
      double sum = 0;
      Values out(std::size_t(depth), 0.0);
      for (Index j = 0; j < n; ++j) {
        const Index back = i / chunk - j / chunk;
        if (back > 1 || back < -1 || (causal && j > i)) continue;
        const double *k = x.view().pixel(base + j) + c + h * depth, *v = k + c;
        double score = 0;
        for (Index d = 0; d < depth; ++d) score += q[d] * k[d];
        const double p = std::exp(score / std::sqrt(double(depth)));
        sum += p;
        for (Index d = 0; d < depth; ++d) out[std::size_t(d)] += p * v[d];
      }
      for (Index d = 0; d < depth; ++d)
        y[std::size_t(row * c + h * depth + d)] = out[std::size_t(d)] / sum;
    }
  return y;
}

}  // namespace

TEST_CASE("LocalAttention is exact within neighbouring chunks, for any number of positions") {
  Cpu device(2);
  for (bool causal : {true, false})
    for (Index chunk : {1, 3, 8, 100})
      for (Index positions : {1, 2, 8, 9, 30}) {
        INFO("chunk " << chunk << ", " << positions << " positions, causal " << causal);
        LocalAttention<double, Cpu> layer({.heads = heads, .chunk = chunk, .causal = causal});
        const auto x = normal<double>(device, {2, 1, positions, 3 * heads * depth});
        Tensor<double, Cpu> y(device, {2, 1, positions, heads * depth});
        layer.apply(y.view(), x.view(), inference, Store::set);
        CHECK(relative_distance(values(y), dense(x, chunk, causal)) < 1e-14);
      }
}

TEST_CASE("LocalAttention keeps the contract of a layer") {
  for (bool causal : {true, false}) {
    const auto make = [=]<class T>(Cpu&) -> AnyLayer<T> {
      return LocalAttention<T, Cpu>({.heads = heads, .chunk = 4, .causal = causal});
    };
    CHECK(check_layer(make, {{2, 1, 9, 30}, {1, 1, 1, 30}}, {.agreement = 32, .added = 8}) == "");
  }
}

TEST_CASE("LocalAttention refuses what does not fit") {
  Cpu device;
  const auto make = [](LocalAttentionOptions options) {
    LocalAttention<float, Cpu> layer(options);
  };
  CHECK_THROWS_WITH(make({.heads = -1}), "LocalAttention: heads must be at least 1, got -1");
  CHECK_THROWS_WITH(make({.chunk = 0}), "LocalAttention: the chunk must be at least 1, got 0");
  AnyLayer<float> layer = LocalAttention<float, Cpu>({.heads = 4});
  auto x = normal<float>(device, {1, 1, 9, 30});
  CHECK_THROWS_WITH(layer.forward(x, training),
                    "LocalAttention: x is 1x1x9x30 but its channels must divide into 3 tensors of "
                    "4 heads: a multiple of 12");
}
