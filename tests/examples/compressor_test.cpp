// The compressor of images: bijective, gradients that are slopes, and files that refuse damage.
#include <cmath>
#include <cstring>

#include "codec.hpp"
#include "model_training.hpp"
#include "retrace/core/error.hpp"
#include "retrace/math/philox.hpp"
#include "retrace/train/crc64.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace retrace;

namespace {

FlowSizes small_sizes(Index height, Index width, Index channels) {
  return {.height = height,
          .width = width,
          .channels = channels,
          .levels = 2,
          .couplings = 1,
          .features = 8};
}

/// Images of noise, which no model predicts, so that codes of escapes occur too.
RawImages noise(Index count, RawLayout layout, bool extreme = false) {
  RawImages images{.layout = layout, .count = count};
  Random random(1);
  const auto draw = [&] {
    return static_cast<std::uint8_t>(extreme ? 255 * random.below(2) : random.below(256));
  };
  images.pixels.resize(static_cast<std::size_t>(count * layout.image_bytes()));
  images.others.resize(layout.header + static_cast<std::size_t>(count) * layout.others);
  for (FileBytes* bytes : {&images.pixels, &images.others})
    for (std::uint8_t& byte : *bytes) byte = draw();
  return images;
}

/// Moves all parameters and running averages, as training does.
void disturb(IntegerFlow& flow) {
  Random random(2);
  auto list = flow.parameters();
  for (auto& named : list.parameters)
    for (Index i = 0; i < named.parameter->value.shape().size(); ++i)
      named.parameter->value.data()[i] += static_cast<float>(0.05 * random.normal());
}

Model small_model(Cpu& device, const FlowSizes& sizes) {
  Model model{std::make_unique<IntegerFlow>(device, sizes), 7};
  disturb(*model.flow);
  return model;
}

/// Gives bytes their length and checksum again, so that the fields behind them are read.
FileBytes sealed(FileBytes bytes) {
  const std::uint64_t length = bytes.size();
  std::memcpy(bytes.data() + 8, &length, sizeof length);
  Crc64 checksum;
  checksum.add(std::as_bytes(std::span(bytes).first(bytes.size() - 8)));
  const std::uint64_t value = checksum.value();
  std::memcpy(bytes.data() + bytes.size() - 8, &value, sizeof value);
  return bytes;
}

FileBytes bytes_of(const std::filesystem::path& path) {
  const std::string text = read_bytes(path);
  return {text.begin(), text.end()};
}

}  // namespace

TEST_CASE("symbols come back in their order, and a coder at its end is at its beginning") {
  Random random(3);
  SymbolEncoder encoder;
  std::vector<SymbolShare> shares;
  for (int i = 0; i < 10000; ++i) {
    const std::uint32_t first = random.below(coder_total);
    shares.push_back({first, 1 + random.below(coder_total - first)});
    encoder.add(shares.back());
  }
  encoder.add({0, coder_total});
  encoder.add_bits(0xABCD, 16);
  const auto words = encoder.finish();
  SymbolDecoder decoder(words, "words");
  bool same = true;
  for (const SymbolShare share : shares) {
    same = same && decoder.next() >= share.first && decoder.next() < share.first + share.width;
    decoder.take(share);
  }
  CHECK(same);
  decoder.take({0, coder_total});
  CHECK_THROWS_AS(decoder.end(), DataError);
  CHECK(decoder.take_bits(16) == 0xABCD);
  CHECK_NOTHROW(decoder.end());

  auto longer = words;
  longer.push_back(0);
  CHECK_THROWS_AS(SymbolDecoder(std::span(words).first(1), "words"), DataError);
  SymbolDecoder of_longer(longer, "words");
  for (const SymbolShare share : shares) of_longer.take(share);
  of_longer.take({0, coder_total});
  of_longer.take_bits(16);
  CHECK_THROWS_AS(of_longer.end(), DataError);
}

TEST_CASE("every integer has a code, and a code is as long as its probability allows") {
  const LogisticTables tables;
  for (float mean : {-300.f, -0.03f, 0.f, 0.49f, 17.97f})
    for (float log_scale : {-50.f, -1.f, 0.f, 3.f, 50.f}) {
      const QuantisedLogistic by = tables.nearest(mean, log_scale);
      SymbolEncoder encoder;
      const std::vector<std::int32_t> values{0,    1,    -1,      17,        18,       255,
                                             -300, 2000, 1 << 20, INT32_MAX, INT32_MIN};
      for (std::int32_t value : values) tables.encode(encoder, by, value);
      const auto words = encoder.finish();
      SymbolDecoder decoder(words, "words");
      std::vector<std::int32_t> decoded;
      for (std::size_t i = 0; i < values.size(); ++i) decoded.push_back(tables.decode(decoder, by));
      CHECK(decoded == values);
      CHECK_NOTHROW(decoder.end());
    }
  // 4000 samples of a logistic of scale 8 have its entropy, 2 + ln 8 nats each.
  Random random(4);
  SymbolEncoder encoder;
  for (int i = 0; i < 4000; ++i) {
    const double u = random.uniform(1e-9, 1);
    tables.encode(encoder, tables.nearest(0, std::log(8.f)),
                  static_cast<std::int32_t>(std::lround(8 * std::log(u / (1 - u)))));
  }
  const double bits = 32 * static_cast<double>(encoder.finish().size()) / 4000;
  CHECK(bits == Approx((2 + std::log(8.0)) / std::log(2.0)).margin(0.1));
  CHECK_THROWS_AS(tables.nearest(NAN, 0), std::domain_error);
  CHECK_THROWS_AS(tables.nearest(0, INFINITY), std::domain_error);
}

TEST_CASE("images of any size and content are restored bit for bit, with any number of threads") {
  for (const RawLayout layout : {RawLayout{16, 0, 8, 8, 1, false}, RawLayout{0, 1, 7, 10, 3, true},
                                 RawLayout{4, 3, 1, 1, 2, false}})
    for (bool extreme : {false, true}) {
      Cpu one(1), two(2);
      const FlowSizes sizes = small_sizes(layout.height, layout.width, layout.channels);
      Model packer = small_model(one, sizes), unpacker = small_model(two, sizes);
      const RawImages images = noise(5, layout, extreme);
      const PackedFile packed = pack(packer, images, 2);
      CHECK(packed.blocks.size() == 3);
      CHECK(unpack(unpacker, packed, "file") == raw_file(images));
    }
}

TEST_CASE("the gradient of the bits is their slope") {
  // A slope of the means and scales themselves, along which the integers do not jump.
  Cpu device(1);
  IntegerFlow flow(device, small_sizes(4, 4, 1));
  disturb(flow);
  const RawImages images = noise(6, {16, 0, 4, 4, 1, false});
  auto list = flow.parameters();
  list.zero_gradients();
  const double bits = flow.accumulate_gradients(images.pixels);
  CHECK(bits > 0);
  std::vector<Tensor<float, Cpu>> gradients;  // those of this pass; the passes below add to them
  for (auto& named : list.parameters) gradients.push_back(clone(named.parameter->gradient));
  for (std::size_t k = 0; k < gradients.size(); ++k) {
    auto& named = list.parameters[k];
    if (named.name.find("offset") == named.name.npos) continue;
    for (Index i : {Index{0}, named.parameter->value.shape().size() - 1}) {
      float& value = named.parameter->value.data()[i];
      const float before = value, step = 1e-3f;
      // One pass with the statistics of the batch, as accumulate_gradients() makes.
      const auto at = [&](float where) {
        value = where;
        const double result = flow.accumulate_gradients(images.pixels);
        value = before;
        return result;
      };
      const double gradient = gradients[k].data()[i];
      const double slope = (at(before + step) - at(before - step)) / (2 * step);
      INFO(named.name << " " << i);
      CHECK(gradient == Approx(slope).epsilon(0.02).margin(2e-4));
    }
  }
}

TEST_CASE("training lowers the bits of images that have a structure, and packs them shorter") {
  Cpu device(1);
  RawImages images = noise(64, {16, 0, 8, 8, 1, false});
  for (std::size_t i = 0; i < images.pixels.size(); ++i)
    images.pixels[i] = static_cast<std::uint8_t>(2 * (i % 64) + images.pixels[i] % 8);
  Model model{std::make_unique<IntegerFlow>(device, small_sizes(8, 8, 1)), 7};
  double last = 0;
  ModelTraining training{.steps = 100, .batch = 32, .rate = 1e-2};
  training.report = [&](Index, double bits) { last = bits; };
  train_model(*model.flow, images, training);
  CHECK(last < 6);  // 8 without a model; 3 is the entropy
  const PackedFile packed = pack(model, images);
  std::size_t words = 0;
  for (const auto& block : packed.blocks) words += block.size();
  const double bits = 32 * static_cast<double>(words) / static_cast<double>(images.pixels.size());
  CHECK(bits == Approx(model.flow->bits_per_dimension(images.pixels)).epsilon(0.05));
  CHECK(unpack(model, packed, "file") == raw_file(images));
}

TEST_CASE("a packed file that is cut off, damaged or foreign is refused") {
  const Scratch scratch;
  Cpu device(1);
  Model model = small_model(device, small_sizes(4, 4, 1));
  const RawImages images = noise(3, {16, 0, 4, 4, 1, false});
  const PackedFile packed = pack(model, images);
  const auto path = scratch.directory / "packed";
  const std::uint64_t written = write_packed(path, packed);
  CHECK(written == std::filesystem::file_size(path));
  const FileBytes bytes = bytes_of(path);
  CHECK(parse_packed(bytes, "file").blocks == packed.blocks);

  for (std::size_t at = 0; at < bytes.size(); ++at) {
    FileBytes damaged = bytes;
    damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ 16);
    if (at > 0) CHECK_THROWS_AS(parse_packed(std::span(bytes).first(at), "file"), DataError);
    CHECK_THROWS_AS(parse_packed(damaged, "file"), DataError);
    // With a checksum that fits, what is restored is refused unless it is the file.
    if (at < 16 || at + 8 >= bytes.size()) continue;
    try {
      const FileBytes restored = unpack(model, parse_packed(sealed(damaged), "file"), "file");
      CHECK(restored == raw_file(images));
    } catch (const DataError&) {
    }
  }
  CHECK_THROWS_AS(parse_packed(FileBytes(), "file"), DataError);
}

TEST_CASE("a file is unpacked by its model and its arithmetic alone") {
  Cpu device(1);
  const FlowSizes sizes = small_sizes(4, 4, 1);
  Model model = small_model(device, sizes), other = small_model(device, sizes);
  PackedFile packed = pack(model, noise(3, {16, 0, 4, 4, 1, false}));
  other.checksum = 8;
  CHECK(complaint<DataError>([&] { unpack(other, packed, "file"); }).find("another model") !=
        std::string::npos);
  Model larger = small_model(device, small_sizes(8, 8, 1));
  CHECK(complaint<DataError>([&] { unpack(larger, packed, "file"); }) ==
        "file has images of 4x4x1, but the model is for 8x8x1");
  packed.arithmetic ^= 1;
  CHECK(complaint<DataError>([&] {
          unpack(model, packed, "file");
        }).find("computes other numbers") != std::string::npos);
}

TEST_CASE("a model is written, read and refused by its sizes and its checksum") {
  const Scratch scratch;
  Cpu device(1);
  IntegerFlow flow(device, small_sizes(6, 4, 3));
  disturb(flow);
  const auto path = scratch.directory / "model";
  write_model(path, flow);
  Model read = read_model(path, device);
  CHECK(read.flow->sizes() == flow.sizes());
  const RawImages images = noise(2, {0, 0, 6, 4, 3, false});
  CHECK(read.flow->bits_per_dimension(images.pixels) == flow.bits_per_dimension(images.pixels));
  std::string bytes = read_bytes(path);
  bytes[bytes.size() / 2] ^= 1;
  CHECK_THROWS_AS(read_model(scratch.write("damaged", bytes), device), DataError);
  CHECK_THROWS_AS(IntegerFlow(device, {.height = 4, .width = 4, .channels = 1, .levels = 7}),
                  std::invalid_argument);
}

TEST_CASE("raw files are split into pixels and other bytes, and put together again") {
  const Scratch scratch;
  const std::string header{"\0\0\10\3\0\0\0\2\0\0\0\1\0\0\0\3", 16};
  const auto idx = scratch.write("idx", header + "abcdef");
  const RawImages images = read_raw_images(idx);
  CHECK(images.layout == RawLayout{16, 0, 1, 3, 1, false});
  CHECK(images.count == 2);
  CHECK(raw_file(images) == bytes_of(idx));
  std::string record(2 * 3073, '\0');
  for (std::size_t i = 0; i < record.size(); ++i) record[i] = static_cast<char>(i * i / 7);
  const auto cifar = scratch.write("x.bin", record);
  const RawImages planar = read_raw_images(cifar);
  CHECK(planar.layout == RawLayout{0, 1, 32, 32, 3, true});
  CHECK(planar.pixels[1] == static_cast<std::uint8_t>(record[1 + 1024]));
  CHECK(raw_file(planar) == bytes_of(cifar));
  CHECK_THROWS_AS(read_raw_images(scratch.write("cut", header + "abcde")), DataError);
  CHECK_THROWS_AS(read_raw_images(scratch.write("y.bin", record + "x")), DataError);
  CHECK_THROWS_AS(read_raw_images(scratch.write("text", "no images")), DataError);
}
