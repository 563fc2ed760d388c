// Backward of a chain of layers over the chunks of a batch.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "retrace/layer/streaming.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// By pass, the layer that it goes back to: the first one in pass 0, else the one whose
/// normalisation gathers its sums.
template <class T, Device D>
std::vector<std::size_t> ends_of_passes(Chain<T, D>& chain) {
  std::vector<std::size_t> ends{0};
  for (std::size_t layer = 0; layer < chain.size(); ++layer) {
    typename Chain<T, D>::Parameters list;
    chain.collect(layer, "", list);
    ends.insert(ends.end(), list.normalisations.size(), layer);
  }
  return ends;
}

/// Evaluates the chain once more and differentiates it, images[pass] of the batch at a time, by the
/// statistics that the last run recorded. Layers below the end of a pass are evaluated, no more. Of
/// a chunk,
///
///   load(chunk)        gives the input, which is overwritten
///   see(chunk, y)      is shown the output, once
///   gradient(chunk)    gives the gradient with respect to the output, which is overwritten
///   take(chunk, dx)    is given that with respect to the input, once
template <class T, Device D, class Load, class See, class GradientOf, class Take>
void stream_backward(Chain<T, D>& chain, Index batch, const std::vector<Index>& images, Run run,
                     Load load, See see, GradientOf gradient, Take take) {
  const std::vector<std::size_t> ends = ends_of_passes(chain);
  GradientPasses passes(chain.parameters());
  std::size_t pass = passes.first() + 1;
  while (pass-- > 0) {
    passes.begin(pass);
    for_each_chunk(batch, images[pass], [&](Chunk at) {
      Run again = replay(run, at);
      again.restore = false;
      auto y = load(at);
      chain.forward(y, preview(again), 0, ends[pass]);
      chain.forward(y, again, ends[pass], chain.size());
      if (pass == passes.first()) see(at, std::as_const(y).view());
      if (!chain.reads_output()) y = Chain<T, D>::State::none(y.device());
      auto dy = gradient(at);
      chain.backward(y, dy, ends[pass], chain.size());
      if (pass == 0) take(at, std::as_const(dy).view());
    });
    passes.end(pass);
  }
  passes.complete();
}

/// Images in a chunk of every pass over a chain: as many as fit the scratch, with `beside` bytes an
/// image for what is not the chain's. The input has image.n images for every one of the batch.
template <class T, Device D>
std::vector<Index> chunks_of_passes(Chain<T, D>& chain, D& device, Shape image, Index batch,
                                    Index beside) {
  GradientPasses passes(chain.parameters());  // leaves all gradients alone
  passes.begin(passes.first());
  const auto peak = [&](std::size_t end, Index images) {
    typename D::Rehearsal rehearsal(device);
    typename Chain<T, D>::State y(device, {images * image.n, image.h, image.w, image.c});
    Run run = replay(training);
    run.restore = false;
    chain.forward(y, preview(run), 0, end);
    chain.forward(y, run, end, chain.size());
    typename Chain<T, D>::Gradient dy(device, y.shape(), Use::gradient);
    if (!chain.reads_output()) y = Chain<T, D>::State::none(device);
    chain.backward(y, dy, end, chain.size());
    return static_cast<Index>(device.memory().peak().total());
  };
  constexpr Index many = 64;  // where what does not grow with the images is not the peak
  std::vector<Index> images;
  for (std::size_t end : ends_of_passes(chain)) {
    const Index per_image = (peak(end, 2 * many) - peak(end, many)) / many;
    images.push_back(chunk_images(per_image + beside, batch));
  }
  return images;
}

}  // namespace retrace::inline RETRACE_ISA
