#include "codec.hpp"

#include <algorithm>
#include <string>

#include "retrace/core/error.hpp"
#include "retrace/math/philox.hpp"
#include "retrace/train/checkpoint.hpp"
#include "retrace/train/crc64.hpp"

using namespace retrace;

namespace {

constexpr const char* format = "compress_images 1";
constexpr Index most_block_bytes = Index{1} << 26;
constexpr float steps_per_unit = 256;

std::uint64_t checksum_of(std::span<const std::uint8_t> bytes) {
  Crc64 checksum;
  checksum.add(std::as_bytes(bytes));
  return checksum.value();
}

/// Calls body(distribution, value) for all values of a part, in order.
template <class Value, class Body>
void for_each_value(const LogisticTables& tables, const IntegerFlow::Real& parameters,
                    Index channels, Value* values, Body body) {
  for (Index pixel = 0; pixel < parameters.shape().pixels(); ++pixel) {
    const float* of = parameters.data() + pixel * 2 * channels;
    for (Index c = 0; c < channels; ++c)
      body(tables.nearest(of[c] * steps_per_unit, of[channels + c]), values[pixel * channels + c]);
  }
}

std::vector<std::uint32_t> encode_block(IntegerFlow& flow, const LogisticTables& tables,
                                        std::span<const std::uint8_t> pixels) {
  const std::vector<IntegerFlow::Part> parts = flow.encode(pixels);
  SymbolEncoder coder;
  for (std::size_t level = parts.size(); level-- > 0;)
    for_each_value(
        tables, parts[level].parameters, parts[level].values.shape().c, parts[level].values.data(),
        [&](QuantisedLogistic by, std::int32_t value) { tables.encode(coder, by, value); });
  return coder.finish();
}

std::vector<std::uint8_t> decode_block(IntegerFlow& flow, const LogisticTables& tables,
                                       Index images, std::span<const std::uint32_t> words,
                                       const std::string& name) {
  SymbolDecoder coder(words, name);
  auto pixels = flow.decode(
      images, [&](std::size_t, const IntegerFlow::Real& parameters, IntegerFlow::State& values) {
        for_each_value(
            tables, parameters, values.shape().c, values.data(),
            [&](QuantisedLogistic by, std::int32_t& value) { value = tables.decode(coder, by); });
      });
  coder.end();
  return pixels;
}

/// The checksum of the model's numbers on an image of noise: two machines with the same checksum
/// most likely round alike.
std::uint64_t arithmetic_checksum(IntegerFlow& flow, const LogisticTables& tables) {
  const FlowSizes& sizes = flow.sizes();
  std::vector<std::uint8_t> noise(
      static_cast<std::size_t>(sizes.height * sizes.width * sizes.channels));
  Random random(0, substream("probe of compress_images"));
  for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(random.below(256));
  Crc64 checksum;
  for (const IntegerFlow::Part& part : flow.encode(noise)) {
    const auto values = static_cast<std::size_t>(part.values.shape().size());
    checksum.add_values(std::span(part.values.data(), values));
    checksum.add_values(std::span(part.parameters.data(), 2 * values));
  }
  checksum.add_values(std::span<const std::uint32_t>(encode_block(flow, tables, noise)));
  return checksum.value();
}

void require_size(const FlowSizes& sizes, const RawLayout& layout, const std::string& what) {
  if (sizes.height == layout.height && sizes.width == layout.width &&
      sizes.channels == layout.channels)
    return;
  const auto text = [](Index h, Index w, Index c) {
    return std::to_string(h) + "x" + std::to_string(w) + "x" + std::to_string(c);
  };
  throw DataError(what + " has images of " + text(layout.height, layout.width, layout.channels) +
                  ", but the model is for " + text(sizes.height, sizes.width, sizes.channels));
}

}  // namespace

void write_model(const std::filesystem::path& path, IntegerFlow& flow) {
  const FlowSizes& sizes = flow.sizes();
  write_checkpoint(path, flow.parameters(),
                   {{"format", format},
                    {"height", std::to_string(sizes.height)},
                    {"width", std::to_string(sizes.width)},
                    {"channels", std::to_string(sizes.channels)},
                    {"levels", std::to_string(sizes.levels)},
                    {"couplings", std::to_string(sizes.couplings)},
                    {"features", std::to_string(sizes.features)}});
}

Model read_model(const std::filesystem::path& path, Cpu& device) {
  Checkpoint file(path);
  if (file.metadata("format") != format)
    throw DataError(path.string() + ": its format is '" + file.metadata("format") +
                    "', but must be '" + format + "'");
  const FlowSizes sizes{file.number<Index>("height"),    file.number<Index>("width"),
                        file.number<Index>("channels"),  file.number<Index>("levels"),
                        file.number<Index>("couplings"), file.number<Index>("features")};
  Model model{nullptr, checksum_of(read_file(path, std::uintmax_t{1} << 32))};
  try {
    model.flow = std::make_unique<IntegerFlow>(device, sizes);
  } catch (const std::invalid_argument& error) {
    throw DataError(path.string() + ": " + error.what());
  }
  file.restore(model.flow->parameters());
  return model;
}

PackedFile pack(Model& model, const RawImages& images, Index images_per_block) {
  require_size(model.flow->sizes(), images.layout, "the file");
  const LogisticTables tables;
  const Index each = images.layout.image_bytes();
  images_per_block = std::clamp<Index>(most_block_bytes / each, 1, images_per_block);
  const std::string machine = instruction_set;
  PackedFile packed{.layout = images.layout,
                    .images = static_cast<std::uint64_t>(images.count),
                    .images_per_block = static_cast<std::uint64_t>(images_per_block),
                    .model_checksum = model.checksum,
                    .arithmetic = arithmetic_checksum(*model.flow, tables),
                    .content_checksum = checksum_of(raw_file(images)),
                    .machine = {machine.begin(), machine.end()},
                    .others = images.others};
  for (Index first = 0; first < images.count; first += images_per_block) {
    const Index count = std::min(images_per_block, images.count - first);
    packed.blocks.push_back(encode_block(*model.flow, tables,
                                         std::span(images.pixels)
                                             .subspan(static_cast<std::size_t>(first * each),
                                                      static_cast<std::size_t>(count * each))));
  }
  return packed;
}

std::vector<std::uint8_t> unpack(Model& model, const PackedFile& packed, const std::string& name) {
  require_size(model.flow->sizes(), packed.layout, name);
  if (model.checksum != packed.model_checksum)
    throw DataError(name + ": was packed with another model: the checksums of their files differ");
  const LogisticTables tables;
  if (arithmetic_checksum(*model.flow, tables) != packed.arithmetic)
    throw DataError(name + ": was packed on a machine that computes other numbers, with " +
                    std::string(packed.machine.begin(), packed.machine.end()) +
                    " instructions; this program uses " + instruction_set);
  RawImages images{
      .layout = packed.layout, .count = static_cast<Index>(packed.images), .others = packed.others};
  for (std::size_t block = 0; block < packed.blocks.size(); ++block) {
    const std::uint64_t first = block * packed.images_per_block;
    const std::uint64_t count = std::min(packed.images_per_block, packed.images - first);
    const auto pixels =
        decode_block(*model.flow, tables, static_cast<Index>(count), packed.blocks[block], name);
    images.pixels.insert(images.pixels.end(), pixels.begin(), pixels.end());
  }
  std::vector<std::uint8_t> file = raw_file(images);
  if (checksum_of(file) != packed.content_checksum)
    throw DataError(name + ": the restored bytes have another checksum than the packed ones");
  return file;
}
