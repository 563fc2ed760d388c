// Backward of a chain of layers over the chunks of a batch.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "retrace/layer/streaming.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// The layer that each normalisation of a chain belongs to.
template <class P, Device D>
std::vector<std::size_t> owners_of_normalisations(Chain<P, D>& chain) {
  std::vector<std::size_t> owners;
  for (std::size_t layer = 0; layer < chain.size(); ++layer) {
    typename Chain<P, D>::Parameters list;
    chain.collect(layer, "", list);
    owners.insert(owners.end(), list.normalisations.size(), layer);
  }
  return owners;
}

/// Evaluates the chain once more and differentiates it, `images` of the batch at a time, by the
/// statistics that the last run recorded. A pass needs the layers from the one whose normalisation
/// gathers its sums; those below are evaluated, no more. Of a chunk,
///
///   load(chunk)        gives the input, which is overwritten
///   see(chunk, y)      is shown the output, once
///   gradient(chunk)    gives the gradient with respect to the output, which is overwritten
///   take(chunk, dx)    is given that with respect to the input, once
template <class P, Device D, class Load, class See, class GradientOf, class Take>
void stream_backward(Chain<P, D>& chain, Index batch, Index images, Run run, Load load, See see,
                     GradientOf gradient, Take take) {
  const std::vector<std::size_t> owners = owners_of_normalisations(chain);
  GradientPasses passes(chain.parameters());
  std::size_t pass = passes.first() + 1;
  while (pass-- > 0) {
    passes.begin(pass);
    const std::size_t lowest = pass == 0 ? 0 : owners[pass - 1];
    for_each_chunk(batch, images, [&](Chunk at) {
      Run again = replay(run, at);
      again.restore = false;
      auto y = load(at);
      chain.forward(y, preview(again), 0, lowest);
      chain.forward(y, again, lowest, chain.size());
      if (pass == passes.first()) see(at, std::as_const(y).view());
      if (!chain.reads_output()) y = Chain<P, D>::State::none(y.device());
      auto dy = gradient(at);
      chain.backward(y, dy, lowest, chain.size());
      if (pass == 0) take(at, std::as_const(dy).view());
    });
    passes.end(pass);
  }
  passes.complete();
}

/// Bytes by which the scratch of a streamed chain grows with every image of that shape.
template <class P, Device D>
Index streamed_bytes_per_image(Chain<P, D>& chain, D& device, Shape image) {
  GradientPasses passes(chain.parameters());  // leaves all gradients alone
  passes.begin(passes.first());
  const auto peak = [&](Index images) {
    typename D::Rehearsal rehearsal(device);
    typename Chain<P, D>::State y(device, {images * image.n, image.h, image.w, image.c});
    Run run = replay(training);
    run.restore = false;
    chain.forward(y, run, 0, chain.size());
    typename Chain<P, D>::Gradient dy(device, y.shape(), Use::gradient);
    chain.backward(y, dy, 0, chain.size());
    return static_cast<Index>(device.memory().peak().total());
  };
  return peak(2) - peak(1);
}

}  // namespace retrace::inline RETRACE_ISA
