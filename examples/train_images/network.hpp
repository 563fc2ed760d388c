// The network that is trained, and its optimizer: one type for all architectures.
#pragma once

#include <algorithm>
#include <optional>

#include "device.hpp"
#include "memory_mode.hpp"

using Net = retrace::Chain<float, Device>;
using Optimizer = retrace::Sgd<float, Device>;
using Batch = retrace::LabelledBatch<float, Device>;

/// Which network, and how it spends memory.
struct NetChoice {
  retrace::Architecture architecture = retrace::Architecture::revnet;
  retrace::NetOptions options;
  retrace::Shape image{1, 32, 32, 3};
  MemoryMode mode;
  bool fused_optimizer = false;    ///< steps are taken inside backward
  retrace::Index micro_batch = 0;  ///< images at a time, of those of a step; 0: all
  retrace::Index chunk = 0;        ///< images in a chunk of mode `chunked`; 0: what suits the cache
  std::optional<retrace::Plan> plan;  ///< of modes, in place of `mode`

  retrace::Shape batch_shape(retrace::Index images) const {
    return {images, image.h, image.w, image.c};
  }
  /// Images at a time in a step on so many.
  retrace::Index at_a_time(retrace::Index images) const {
    return micro_batch > 0 ? std::min(micro_batch, images) : images;
  }
};

/// "inverted", or "planned".
std::string mode_name(const NetChoice& choice);

/// "hybrid, mode inverted, fused optimizer, micro-batches of 32".
std::string to_string(const NetChoice& choice);

/// Compiled once, because the builders of all architectures take the compiler a while.
Net build_net(Device& device, const NetChoice& choice);
