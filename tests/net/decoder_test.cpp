#include "retrace/net/decoder.hpp"

#include "retrace/cpu/operations.hpp"
#include "retrace/net/transformer.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

Transformer<float, Cpu> model_of(Cpu& device, PositionKind positions, bool reversible) {
  return transformer<float>(device, {.tokens = 11,
                                     .channels = 16,
                                     .layers = 3,
                                     .heads = 4,
                                     .key_heads = 2,
                                     .reversible = reversible,
                                     .window = 50,
                                     .positions = positions,
                                     .longest = 80,
                                     .axial_rows = 8,
                                     .axial_columns = 10});
}

std::vector<std::int32_t> tokens(Index count) {
  std::vector<std::int32_t> ids;
  for (Index i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(i * i % 11));
  return ids;
}

}  // namespace

TEST_CASE("A decoder gives the logits of the whole pass, position by position") {
  Cpu device(2);
  for (PositionKind positions : {PositionKind::rotary, PositionKind::learned, PositionKind::axial})
    for (bool reversible : {true, false}) {
      auto model = model_of(device, positions, reversible);
      const auto ids = tokens(70);
      auto x = model.embedding.forward(ids, 1, 70);
      model.net.forward(x, inference);
      const Values all = values(x);
      const std::size_t before = device.memory().live().total();
      {
        Decoder decoder(model.net, model.decoding, 70);
        Index done = 0;
        for (Index some : {40, 1, 1, 25, 1, 2}) {
          const auto part = decoder.forward(
              model.embedding.forward(std::span(ids).subspan(static_cast<std::size_t>(done),
                                                             static_cast<std::size_t>(some)),
                                      1, some));
          const auto first = all.begin() + static_cast<std::ptrdiff_t>(done * 11);
          CHECK(relative_distance(values(part), Values(first, first + static_cast<std::ptrdiff_t>(
                                                                          some * 11))) < 1e-5);
          done += some;
        }
        CHECK(decoder.done() == 70);
        CHECK_THROWS_WITH(
            decoder.forward(model.embedding.forward(std::span(ids).first(1), 1, 1)),
            "Decoder: x is 1x1x1x16 behind 70 positions, but the longest sequence has 70");
      }
      CHECK(device.memory().live().total() == before);
      x = model.embedding.forward(ids, 1, 70);
      model.net.forward(x, inference);
      CHECK(same_bits(values(x), all));
    }
}

TEST_CASE("A decoder continues several sequences") {
  Cpu device(2);
  auto model = model_of(device, PositionKind::rotary, true);
  const auto ids = tokens(24);
  auto x = model.embedding.forward(ids, 2, 12);
  model.net.forward(x, inference);
  Decoder decoder(model.net, model.decoding, 12);
  const std::vector<std::int32_t> heads{ids[0], ids[1], ids[2], ids[12], ids[13], ids[14]};
  decoder.forward(model.embedding.forward(heads, 2, 3));
  const auto y =
      decoder.forward(model.embedding.forward(std::vector<std::int32_t>{ids[3], ids[15]}, 2, 1));
  const Values all = values(x), last = values(y);
  CHECK(relative_distance(Values(last.begin(), last.begin() + 11),
                          Values(all.begin() + 33, all.begin() + 44)) < 1e-5);
  CHECK(relative_distance(Values(last.begin() + 11, last.end()),
                          Values(all.begin() + 165, all.begin() + 176)) < 1e-5);
}

TEST_CASE("A decoder refuses what cannot be continued") {
  Cpu device(1);
  auto local = transformer<float>(device, {.channels = 16,
                                           .layers = 1,
                                           .heads = 2,
                                           .attention = {AttentionKind::local},
                                           .positions = PositionKind::none});
  CHECK_THROWS_WITH((Decoder<float, Cpu>(local.net, local.decoding, 5)),
                    containing("without full causal attention in every layer"));
  auto model = model_of(device, PositionKind::rotary, true);
  CHECK_THROWS_WITH((Decoder<float, Cpu>(model.net, model.decoding, 0)),
                    "Decoder: the longest sequence must be positive, got 0");
  Decoder<float, Cpu> first(model.net, model.decoding, 5);
  CHECK_THROWS_WITH((Decoder<float, Cpu>(model.net, model.decoding, 5)),
                    "Decoder: another decoder of the network exists");
}
