// The language model: a chain from the bytes of a text to the loss of every next byte.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "device.hpp"
#include "retrace/layer/chunked_head.hpp"
#include "retrace/layer/decoding.hpp"
#include "retrace/train/guarded_step.hpp"
#include "retrace/train/plan.hpp"

using Net = retrace::Chain<float, Device>;

/// The layers of attention.
enum class AttentionChoice {
  full,    ///< all earlier positions
  local,   ///< those of the same chunk and the one before
  lsh,     ///< those that hash alike
  pattern  ///< in turn: all positions of a window of two chunks, and lsh
};

inline constexpr std::array all_attention_choices{AttentionChoice::full, AttentionChoice::local,
                                                  AttentionChoice::lsh, AttentionChoice::pattern};

constexpr std::string_view name(AttentionChoice kind) {
  constexpr std::array<std::string_view, 4> names{"full", "local", "lsh", "pattern"};
  return names[static_cast<std::size_t>(kind)];
}

struct ModelOptions {
  retrace::Index length = 256;  ///< positions of a window
  retrace::Index layers = 4;
  retrace::Index channels = 128;  ///< of each half of a reversible state, or of an ordinary one
  retrace::Index heads = 4;
  retrace::Index feed_forward = 4;  ///< hidden channels per channel
  AttentionChoice attention = AttentionChoice::full;
  retrace::Index attention_chunk = 64;  ///< positions in a chunk of local and lsh attention
  retrace::Index hash_rounds = 2;
  double dropout = 0;
  bool reversible = true;  ///< otherwise each block is an ordinary residual one
  std::uint64_t seed = 0;

  /// Throws std::invalid_argument if two options do not fit each other.
  void require() const;
};

inline constexpr retrace::Index byte_values = 256;

/// A network whose input is [N,1,T,1], the numbers of bytes, and whose output is the loss of each
/// next byte, given by the targets.
struct Model {
  Net net;
  std::shared_ptr<retrace::Targets<Device>> targets;
  std::shared_ptr<retrace::Decoding> decoding;  ///< null if no keys and values can be kept
};

enum class Purpose {
  train,
  measure,  ///< takes any input as bytes, and any labels: for dry runs and timed noise
  generate  ///< its output is the logits of each next byte; parameters have the same names
};

/// Builds the model. Compiled once.
Model build_model(Device& device, const ModelOptions& options, Purpose purpose = Purpose::train);
