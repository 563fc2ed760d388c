#include "retrace/train/weights.hpp"

#include "retrace/cpu/elementwise.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Two parameters, a buffer and a number under names of their own.
struct Named {
  Parameter<float, Cpu> weight, bias;
  Tensor<float, Cpu> mean;
  std::int64_t bits = 0;
  ParameterList<float, Cpu> list{};

  Named(Cpu& device, double first, Index channels = 5)
      : weight(device, {3, 3, 4, channels}, true),
        bias(device, per_channel(channels), false),
        mean(device, per_channel(channels), Use::parameter) {
    fill(weight.value.view(), static_cast<float>(first));
    fill(bias.value.view(), static_cast<float>(first + 1));
    fill(mean.view(), static_cast<float>(first + 2));
    list.add("weight", weight);
    list.add("bias", bias);
    list.add("mean", mean);
    list.add(
        "bits", [this] { return bits; }, [this](std::int64_t value) { bits = value; });
  }
  Named(const Named&) = delete;

  Values all() { return {weight.value.data()[179], bias.value.data()[0], mean.data()[4]}; }
};

/// A file as another program writes it: no checksum, no numbers.
std::string plain_file(const std::string& dtype, const std::string& bias) {
  const std::string bias_bytes(20, '\0');
  SafetensorsHeader header;
  header.tensors = {{"bias", dtype, {5}, 0, 20},
                    {"extra", "I64", {1}, 20, 28},
                    {"mean", "F32", {5}, 28, 48},
                    {"weight", "F32", {3, 3, 4, 5}, 48, 768}};
  header.tensors[0].name = bias;
  std::string text = format_safetensors_header(header) + std::string(768, '\0');
  text.back() = 0x40;  // of the last weight: 2
  return text;
}

}  // namespace

TEST_CASE("weights come out of a checkpoint, whatever else it holds") {
  const Scratch scratch;
  Cpu device;
  Named saved(device, 1), to(device, 7);
  saved.bits = 3;
  auto with_momentum = saved.list;
  Tensor<float, Cpu> momentum(device, per_channel(2));
  fill(momentum.view(), 0.0f);
  with_momentum.add("momentum.weight", momentum);
  const auto path = scratch.directory / "c";
  write_checkpoint(path, with_momentum, {});
  load_weights(path, to.list);
  CHECK(to.all() == saved.all());
  CHECK(to.bits == 3);

  std::string bytes = read_bytes(path);
  bytes.back() ^= 1;
  Named unchanged(device, 7);
  CHECK_THROWS_WITH(load_weights(scratch.write("damaged", bytes), unchanged.list),
                    containing("is damaged"));
  CHECK(unchanged.all() == Named(device, 7).all());
}

TEST_CASE("weights come out of a file of another program, or are refused as a whole") {
  const Scratch scratch;
  Cpu device;
  Named to(device, 7);
  to.bits = 4;
  CHECK_THROWS_WITH(load_weights(scratch.write("a", plain_file("F32", "bios")), to.list),
                    containing("has no tensor 'bias'"));
  CHECK_THROWS_WITH(load_weights(scratch.write("b", plain_file("I32", "bias")), to.list),
                    containing("'bias' is 5 of I32, but the network has 5 of F32"));
  Named wider(device, 7, 6);
  CHECK_THROWS_AS(load_weights(scratch.write("c", plain_file("F32", "bias")), wider.list),
                  CheckpointMismatch);
  CHECK(to.all() == Named(device, 7).all());
  load_weights(scratch.write("d", plain_file("F32", "bias")), to.list);
  CHECK(to.all() == Values{2, 0, 0});
  CHECK(to.bits == 4);
}

TEST_CASE("of a file for other classes, the weights that have their shapes are loaded") {
  const Scratch scratch;
  Cpu device;
  Named saved(device, 1), to(device, 7);
  Parameter<float, Cpu> head(device, {1, 1, 8, 10}, true), other_head(device, {1, 1, 8, 3}, true);
  fill(head.value.view(), 5.0f);
  fill(other_head.value.view(), 6.0f);
  saved.list.add("head", head);
  to.list.add("head", other_head);
  const auto path = scratch.directory / "c";
  write_checkpoint(path, saved.list, {});
  CHECK(load_matching_weights(path, to.list) == std::vector<std::string>{"head"});
  CHECK(to.all() == saved.all());
  CHECK(other_head.value.data()[0] == 6);
  SECTION("a damaged file changes nothing") {
    Named third(device, 9);
    std::string bytes = read_bytes(path);
    bytes.back() ^= 1;
    scratch.write("damaged", bytes);
    CHECK_THROWS_AS(load_matching_weights(scratch.directory / "damaged", third.list), DataError);
    CHECK(third.all() == Named(device, 9).all());
  }
}
