#include "retrace/layer/token_embedding.hpp"

#include "retrace/cpu/token_embedding.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
TokenEmbedding<T, Cpu> embedding(Cpu& device, TokenEmbeddingOptions options) {
  Random random(1);
  return {device, options, random};
}

}  // namespace

TEST_CASE("TokenEmbedding keeps the contract of a layer") {
  for (Index positions : {0, 9}) {
    // Its gradient is 0 with respect to x, where the checks move x by less than a token.
    const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
      return embedding<T>(device,
                          {.tokens = 5, .channels = 6, .positions = positions, .any_input = true});
    };
    CHECK(check_layer(make, {{2, 1, 9, 1}, {1, 3, 2, 1}}, {.added = 4}) == "");
  }
}

TEST_CASE("TokenEmbedding adds the vectors of tokens and of positions, and their gradients") {
  Cpu device;
  auto layer = embedding<double>(device, {.tokens = 3, .channels = 2, .positions = 4});
  assign(layer.table().value.view(), {1, 2, 3, 4, 5, 6});
  assign(layer.positions().value.view(), {10, 20, 30, 40, 50, 60, 70, 80});
  const auto x = tensor<double>(device, {2, 1, 3, 1}, {2, 0, 2, 1, 1, 2});
  Tensor<double, Cpu> y(device, {2, 1, 3, 2}), dx(device, x.shape());
  layer.apply(y.view(), x.view(), training, Store::set);
  CHECK(values(y) == Values{15, 26, 31, 42, 55, 66, 13, 24, 33, 44, 55, 66});
  const auto dy = tensor<double>(device, y.shape(), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  layer.gradient(x.view(), dy.view(), dx.view(), Store::set);
  CHECK(values(layer.table().gradient) == Values{3, 4, 16, 18, 17, 20});
  CHECK(values(layer.positions().gradient) == Values{8, 10, 12, 14, 16, 18, 0, 0});
  CHECK(values(dx) == Values(6, 0.0));
}

TEST_CASE("TokenEmbedding refuses what does not fit") {
  Cpu device;
  AnyLayer<float> layer = embedding<float>(device, {.tokens = 5, .channels = 2, .positions = 4});
  const auto message = [&](const Values& tokens) {
    auto x = tensor<float>(device, {1, 1, static_cast<Index>(tokens.size()), 1}, tokens);
    try {
      layer.forward(x, training);
    } catch (const std::exception& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(message({0, 4, 1, 2}) == "");
  CHECK(message({0, 5}) == "TokenEmbedding: token 5 of position 1 is not one of 5, 0 to 4");
  CHECK(message({-1}) == "TokenEmbedding: token -1 of position 0 is not one of 5, 0 to 4");
  CHECK(message({1, 1.5}) == "TokenEmbedding: token 1.5 of position 1 is not one of 5, 0 to 4");
  CHECK(message({std::nan("")}) ==
        "TokenEmbedding: token nan of position 0 is not one of 5, 0 to 4");
  CHECK(message({0, 0, 0, 0, 0}) ==
        "TokenEmbedding: x is 1x1x5x1 but its sequences must have at most 4 positions");
  CHECK_THROWS_WITH(embedding<float>(device, {.tokens = 0}),
                    "TokenEmbedding: tokens must be at least 1, got 0");
  CHECK_THROWS_WITH(embedding<float>(device, {.positions = -1}),
                    "TokenEmbedding: positions must be at least 0, got -1");
}
