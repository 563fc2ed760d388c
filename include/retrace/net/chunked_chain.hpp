// Backward of a chain of layers over the chunks of a batch.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "retrace/layer/chunks.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// By pass, the layer that it goes back to: the first one in pass 0, otherwise the one whose
/// normalisation gathers its sums.
template <class T, Device D>
std::vector<std::size_t> ends_of_passes(Chain<T, D>& chain) {
  std::vector<std::size_t> ends{0};
  for (std::size_t layer = 0; layer < chain.size(); ++layer) {
    ParameterList<T, D> list;
    chain.collect(layer, "", list);
    ends.insert(ends.end(), list.statistics.size(), layer);
  }
  return ends;
}

/// Returns the images in a chunk of every pass over a chain: as many as fit the workspace, if an
/// image takes so many bytes `beside` it. bytes(lowest, images) returns what a chunk takes down to
/// layer `lowest`; it runs while the gradients are left alone.
template <class T, Device D, class Workspace>
std::vector<Index> chunks_of_passes(Chain<T, D>& chain, Index batch, Index beside,
                                    Workspace bytes) {
  GradientPasses passes(chain.parameters());
  passes.begin(passes.first());
  constexpr Index many = 64;  // so that what does not grow with the images is not the peak
  std::vector<Index> images;
  for (std::size_t end : ends_of_passes(chain)) {
    const Index per_image = (bytes(end, 2 * many) - bytes(end, many)) / many;
    images.push_back(chunk_images(per_image > 0 ? per_image + beside : 0, batch));
  }
  return images;
}

/// Evaluates the chain once more and differentiates it, images[pass] of the batch at a time, by the
/// statistics that the last run recorded. Layers below the end of a pass are evaluated, no more. Of
/// a chunk,
///
///   load(chunk)        returns the input, which is overwritten
///   gradient(chunk)    returns the gradient with respect to the output, which is overwritten
///   take(chunk, dx)    is given that with respect to the input, once
template <class T, Device D, class Load, class GradientOf, class Take>
void backward_in_chunks(Chain<T, D>& chain, Index batch, const std::vector<Index>& images, Run run,
                        Load load, GradientOf gradient, Take take) {
  const std::vector<std::size_t> ends = ends_of_passes(chain);
  GradientPasses passes(chain.parameters());
  for (std::size_t pass = passes.first() + 1; pass-- > 0;) {
    passes.begin(pass);
    for_each_chunk(batch, images[pass], [&](Chunk at) {
      Run again = replay(run, at);
      again.restore = false;
      auto y = load(at);
      chain.forward(y, preview(again), 0, ends[pass]);
      chain.forward(y, again, ends[pass], chain.size());
      if (!chain.reads_output()) y = Chain<T, D>::State::none(y.device());
      auto dy = gradient(at);
      chain.backward(y, dy, ends[pass], chain.size());
      if (pass == 0) take(at, std::as_const(dy).view());
    });
    passes.end(pass);
  }
  passes.complete();
}

}  // namespace retrace::inline RETRACE_ISA
