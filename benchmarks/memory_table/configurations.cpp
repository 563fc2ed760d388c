#include "configurations.hpp"

#include <algorithm>
#include <stdexcept>

#include "support/names.hpp"

namespace memory_table {

using namespace retrace;

namespace {

constexpr auto stored = [](Net& net) { net.set_mode(Mode::stored); };
constexpr auto reversible = [](Net& net) { net.set_mode(Mode::reversible); };
constexpr auto inverted = [](Net& net) { net.set_mode(Mode::inverted); };
constexpr auto chunked = [](Net& net) { net.set_mode(Mode::chunked); };
constexpr auto checkpoint_all = [](Net& net) { net.checkpoint_every(1); };
constexpr auto checkpoint_sqrt = [](Net& net) { net.checkpoint_sqrt(); };

/// A reversible configuration with a fixed-point state.
Configuration in_fixed_point(Architecture architecture, Stream stream) {
  return {architecture, name(stream), reversible, {}, {}, stream};
}

Configuration streamed_in(Stream stream, Architecture architecture, double limit) {
  constexpr Index from = 64, to = 256;
  const char* mode = stream == Stream::floating ? "chunked" : "fixed16 chunked";
  return {architecture, mode, chunked, {}, limit, stream, from, to};
}

std::vector<Configuration> configurations_of_paper(Architecture architecture) {
  using enum Architecture;
  switch (architecture) {
    case resnet:
      return {{architecture, "stored", stored, PaperFigures{1928, 3.57e9}, 2000},
              {architecture, "checkpoint:1", checkpoint_all},
              {architecture, "checkpoint", checkpoint_sqrt}};
    case revnet:
      return {{architecture, "stored", stored},
              {architecture, "checkpoint", checkpoint_sqrt},
              {architecture, "reversible", reversible, PaperFigures{640, 1.19e9}, 600},
              streamed_in(Stream::floating, architecture, 450),
              in_fixed_point(architecture, Stream::fixed32),
              in_fixed_point(architecture, Stream::fixed16),
              streamed_in(Stream::fixed16, architecture, 320)};
    case irevnet:
      return {{architecture, "stored", stored},
              {architecture, "checkpoint", checkpoint_sqrt},
              {architecture, "reversible", reversible, PaperFigures{640, 1.35e9}, 480},
              streamed_in(Stream::floating, architecture, 272),
              in_fixed_point(architecture, Stream::fixed32),
              in_fixed_point(architecture, Stream::fixed16),
              streamed_in(Stream::fixed16, architecture, 208)};
    case layerwise:
      return {{architecture, "stored", stored},
              {architecture, "checkpoint", checkpoint_sqrt},
              {architecture, "reversible", reversible, PaperFigures{320, 590e6}, 288}};
    case hybrid:
      return {{architecture, "stored", stored},
              {architecture, "checkpoint", checkpoint_sqrt},
              {architecture, "reversible", reversible},
              {architecture, "inverted", inverted, PaperFigures{352, 648e6}, 400},
              streamed_in(Stream::floating, architecture, 272),
              in_fixed_point(architecture, Stream::fixed16),
              streamed_in(Stream::fixed16, architecture, 208)};
    case resnet_inplace_abn:
      return {{architecture, "stored", stored}, {architecture, "inverted", inverted, {}, 1100}};
  }
  throw std::invalid_argument("configurations: unknown architecture");
}

}  // namespace

std::vector<Configuration> configurations(Architecture architecture, const NetOptions& size) {
  std::vector<Configuration> list = configurations_of_paper(architecture);
  for (Configuration& each : list) {
    each.net = benchmark::sized(architecture, size);
    each.net.stream = each.stream;
    const bool of_paper = size.channels.empty() && size.blocks.empty();
    if (!of_paper) each.paper.reset();
    if (!of_paper || !has_limits) each.limit.reset();
  }
  return list;
}

double workspace_limit(Index width) {
  constexpr double mebibyte = 1 << 20;  // 4 MiB up to 256 channels, 16 MiB at 1024
  return 4 * mebibyte * static_cast<double>(std::max<Index>(width, 256)) / 256;
}

}  // namespace memory_table
