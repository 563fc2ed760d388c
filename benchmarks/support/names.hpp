// Networks by their command-line name, mode and size.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "retrace/net/architectures.hpp"

namespace benchmark {

/// Returns the architecture of a given name.
/// @throws std::invalid_argument if no network has that name.
inline retrace::Architecture architecture(std::string_view text) {
  std::string names;
  for (retrace::Architecture each : retrace::all_architectures) {
    if (retrace::name(each) == text) return each;
    names += (names.empty() ? "" : ", ") + std::string(retrace::name(each));
  }
  throw std::invalid_argument("there is no network '" + std::string(text) + "', only " + names);
}

/// Returns the modes that make a difference for a network. The first is the one it was designed
/// for.
inline std::vector<std::string_view> modes(retrace::Architecture architecture) {
  using enum retrace::Architecture;
  switch (architecture) {
    case resnet:
      return {"stored", "checkpoint"};
    case hybrid:
      return {"inverted", "chunked", "reversible", "checkpoint", "stored"};
    case resnet_inplace_abn:
      return {"inverted", "stored"};
    case layerwise:
      return {"reversible", "checkpoint", "stored"};
    case revnet:
    case irevnet:
      break;
  }
  return {"reversible", "chunked", "checkpoint", "stored"};
}

/// Checks that a network has a mode.
/// @throws std::invalid_argument if it does not.
inline void require_mode(retrace::Architecture architecture, std::string_view mode) {
  std::string names;
  for (std::string_view each : modes(architecture)) {
    if (each == mode) return;
    names += (names.empty() ? "" : ", ") + std::string(each);
  }
  throw std::invalid_argument(std::string(retrace::name(architecture)) + " has no mode '" +
                              std::string(mode) + "', only " + names);
}

/// Returns options of the paper's network with the given channels and blocks.
inline retrace::NetOptions sized(retrace::Architecture architecture,
                                 const retrace::NetOptions& given) {
  retrace::NetOptions net = retrace::paper_options(architecture);
  if (!given.channels.empty()) net.channels = given.channels;
  if (!given.blocks.empty()) net.blocks = given.blocks;
  return net;
}

}  // namespace benchmark
