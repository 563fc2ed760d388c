// The network and its optimizer, with one type for all architectures.
#pragma once

#include <algorithm>
#include <optional>

#include "architecture.hpp"
#include "image_optimizer.hpp"
#include "memory_mode.hpp"

using Net = retrace::Chain<float, Device>;
using Batch = retrace::LabelledBatch<float, Device>;

/// The options of a revvit that no other network has.
struct VisionOptions {
  retrace::Index patch = 4;  ///< pixels of a side
  retrace::Index heads = 4;  ///< of an attention
  double dropout = 0;        ///< share of what a branch adds
};

/// The choice of a network and its use of memory.
struct NetChoice {
  Architecture architecture = Architecture::revnet;
  retrace::NetOptions options;
  VisionOptions vision;    ///< of revvit
  double lipschitz = 0.9;  ///< of the branches of iresnet, at most
  retrace::Shape image{1, 32, 32, 3};
  bool labels_pixels = false;  ///< the network of pixel_network.hpp
  MemoryMode mode;
  Rule rule = Rule::sgd;
  bool fused_optimizer = false;       ///< updates parameters inside backward
  retrace::Index micro_batch = 0;     ///< images per micro-batch; 0: the whole batch
  retrace::Index chunk = 0;           ///< images per chunk in mode `chunked`; 0: fits the cache
  std::optional<retrace::Plan> plan;  ///< replaces `mode`

  retrace::Shape batch_shape(retrace::Index images) const {
    return {images, image.h, image.w, image.c};
  }
  /// Returns the images per micro-batch for a batch of `images`.
  retrace::Index at_a_time(retrace::Index images) const {
    return micro_batch > 0 ? std::min(micro_batch, images) : images;
  }
};

/// Returns the number of pixels of which height and width of its images must be multiples.
retrace::Index image_multiple(const NetChoice& choice);

/// Returns the name of the mode, such as "inverted", or "planned".
std::string mode_name(const NetChoice& choice);

/// Returns a description: "hybrid, mode inverted, fused optimizer, micro-batches of 32".
std::string to_string(const NetChoice& choice);

/// Builds the network, which labels images or pixels. Compiled once, because the builders of all
/// architectures compile slowly.
Net build_net(Device& device, const NetChoice& choice);
