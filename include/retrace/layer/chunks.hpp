// Backward over the chunks of a batch: which sums are gathered, and which gradients added, when.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include "retrace/core/run.hpp"
#include "retrace/layer/parameter_list.hpp"

namespace retrace::inline RETRACE_ISA {

/// The workspace of a chunk: small enough for a share of the last-level cache, large enough for the
/// packing of a layer's weights, which every chunk repeats, not to count.
inline constexpr Index chunk_scratch_bytes = 5 << 20;

/// Images in a chunk whose workspace takes that many bytes per image: all if it takes none.
constexpr Index chunk_images(Index bytes_per_image, Index batch) {
  if (bytes_per_image <= 0) return batch;
  return std::clamp<Index>(chunk_scratch_bytes / bytes_per_image, 1, std::max<Index>(batch, 1));
}

/// The recorded statistics once more, on the images of a chunk.
constexpr Run replay(Run run, Chunk chunk) {
  run = replay(run);
  run.chunk = chunk;
  return run;
}

/// Calls body(chunk) for the chunks of a batch, of equal size except the last.
template <class Body>
void for_each_chunk(Index batch, Index images, Body body) {
  for (Index first = 0; first < batch; first += images)
    body(Chunk{first, std::min(images, batch - first)});
}

/// The passes over the chunks of a batch that a branch of k normalisations N₀ … N₍ₖ₋₁₎ takes
/// backward: each N needs sums over the batch of a gradient that exists once those behind it have
/// theirs.
///
/// Pass p of k, k − 1, …, 0: N₍ₚ₎ and those behind it use their sums, N₍ₚ₋₁₎ gathers its own, and
/// the gradients of the parameters between these two are added to.
///
/// Leaves everything as it was, whatever happens between; a gradient is complete at the end alone,
/// since every pass needs the parameters as they are.
template <class T, Device D>
class GradientPasses {
 public:
  explicit GradientPasses(ParameterList<T, D> list) : list_(std::move(list)), adds_(list_) {
    for (const auto& named : list_.statistics) named.statistics->gather();
  }
  ~GradientPasses() {
    for (const auto& named : list_.statistics) named.statistics->release();
  }
  GradientPasses(const GradientPasses&) = delete;
  GradientPasses& operator=(const GradientPasses&) = delete;

  /// k: of the first pass.
  std::size_t first() const { return list_.statistics.size(); }

  void begin(std::size_t pass) {
    const auto& norms = list_.statistics;
    const std::size_t begin = pass == 0 ? 0 : norms[pass - 1].end;
    const std::size_t end = pass == first() ? list_.parameters.size() : norms[pass].first;
    adds_.set_all(Adds::none);
    for (std::size_t i = begin; i < end; ++i) adds_.set(i, Adds::part);
    if (pass == 0) return;
    // settle() adds the gradients of the normalisation's own parameters.
    for (std::size_t i = norms[pass - 1].first; i < begin; ++i) adds_.set(i, Adds::part);
    norms[pass - 1].statistics->gather();
  }
  void end(std::size_t pass) {
    if (pass > 0) list_.statistics[pass - 1].statistics->settle();
  }

  /// After the last pass.
  void complete() {
    adds_.restore();
    for (std::size_t i = list_.parameters.size(); i-- > 0;)
      list_.parameters[i].parameter->complete();
  }

 private:
  ParameterList<T, D> list_;
  AddsGuard<T, D> adds_;
};

}  // namespace retrace::inline RETRACE_ISA
