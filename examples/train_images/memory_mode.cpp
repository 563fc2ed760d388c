#include "memory_mode.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "text.hpp"

using retrace::Mode;

namespace {

constexpr MemoryMode stored{Mode::stored}, reversible{Mode::reversible}, inverted{Mode::inverted},
    chunked{Mode::chunked};
constexpr MemoryMode checkpoint{Mode::stored, true};

/// Parses the K of "checkpoint:K".
std::size_t parse_interval(std::string_view text) {
  std::size_t interval = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), interval);
  if (error != std::errc() || end != text.data() + text.size() || interval == 0)
    throw std::invalid_argument(
        "--mode checkpoint:K keeps the input of every K-th layer, but K is '" + std::string(text) +
        "'");
  return interval;
}

MemoryMode parse_name(std::string_view text) {
  constexpr std::string_view every = "checkpoint:";
  if (text.starts_with(every))
    return {Mode::stored, true, parse_interval(text.substr(every.size()))};
  for (MemoryMode mode : {stored, checkpoint, reversible, inverted, chunked})
    if (text == name(mode)) return mode;
  throw std::invalid_argument(
      "--mode is '" + std::string(text) +
      "', but must be stored, checkpoint, checkpoint:K, reversible, inverted or chunked");
}

}  // namespace

std::string name(MemoryMode mode) {
  if (mode.checkpointed)
    return mode.interval == 0 ? "checkpoint" : "checkpoint:" + std::to_string(mode.interval);
  switch (mode.mode) {
    case Mode::stored:
      return "stored";
    case Mode::reversible:
      return "reversible";
    case Mode::inverted:
      return "inverted";
    case Mode::chunked:
      return "chunked";
  }
  throw std::invalid_argument("name: unknown memory mode");
}

const std::vector<MemoryMode>& memory_modes(Architecture architecture) {
  static const std::vector<MemoryMode> ordinary{stored, checkpoint},
      reversible_blocks{reversible, chunked, checkpoint, stored},
      reversible_layers{reversible, checkpoint, stored},
      inverted_branches{inverted, chunked, reversible, checkpoint, stored},
      inverted_layers{inverted, checkpoint, stored}, iterated_layers{stored, inverted, checkpoint};
  switch (architecture) {
    case Architecture::resnet:
      return ordinary;
    case Architecture::revnet:
    case Architecture::irevnet:
    case Architecture::revvit:
      return reversible_blocks;
    case Architecture::layerwise:
      return reversible_layers;
    case Architecture::hybrid:
      return inverted_branches;
    case Architecture::resnet_inplace_abn:
      return inverted_layers;
    case Architecture::iresnet:
      return iterated_layers;
  }
  throw std::invalid_argument("memory_modes: unknown architecture");
}

std::string memory_mode_names(Architecture architecture) {
  std::vector<std::string> names;
  for (MemoryMode mode : memory_modes(architecture)) names.push_back(name(mode));
  return one_of(names);
}

MemoryMode parse_memory_mode(std::string_view text, Architecture architecture) {
  if (architecture == Architecture::layerwise && text == "layerwise") return reversible;
  const MemoryMode mode = parse_name(text);
  const MemoryMode kind{mode.mode, mode.checkpointed};
  const auto& modes = memory_modes(architecture);
  if (std::find(modes.begin(), modes.end(), kind) == modes.end())
    throw std::invalid_argument("--mode " + name(mode) + " is not for " +
                                std::string(name(architecture)) + ", whose modes are " +
                                memory_mode_names(architecture));
  return mode;
}
