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

/// Returns the peak bytes of backward through a chain, down to layer `lowest`, of an input of the
/// given shape that need not be restored.
template <class T, Device D>
Index backward_workspace(Chain<T, D>& chain, D& device, Shape shape, std::size_t lowest) {
  typename D::Rehearsal rehearsal(device);
  const AbsentGradients<T, D> absent(chain.parameters());
  typename Chain<T, D>::State y(device, shape);
  Run run = replay(training);
  run.restore = false;
  chain.forward(y, preview(run), 0, lowest);
  chain.forward(y, run, lowest, chain.size());
  typename Chain<T, D>::Gradient dy(device, y.shape(), Use::gradient);
  if (!chain.reads_output()) y = Chain<T, D>::State::none(device);
  chain.backward(y, dy, lowest, chain.size());
  return static_cast<Index>(device.memory().peak().total());
}

/// Returns the gradient with respect to the input of a chain, which is evaluated again in chunks of
/// as many images as fit the workspace. load(first, count) returns images of the input. If the
/// chain combines several images into one, as GlobalAverage does, they stay together.
template <class T, Device D, class Load>
Tensor<T, D> chunked_gradient(Chain<T, D>& chain, Shape x, View<const T, D> dy, Run run,
                              Load load) {
  D& device = dy.device();
  Tensor<T, D> dx(device, x, Use::gradient);
  const Index batch = dy.shape().n, parts = batch > 0 ? x.n / batch : 1;
  const auto bytes = [&](std::size_t lowest, Index images) {
    return backward_workspace(chain, device, {images * parts, x.h, x.w, x.c}, lowest);
  };
  backward_in_chunks(
      chain, batch, chunks_of_passes(chain, batch, 0, bytes), run,
      [&](Chunk at) { return load(at.first * parts, at.count * parts); },
      [&](Chunk at) { return clone(dy.images(at.first, at.count), Use::gradient); },
      [&](Chunk at, View<const T, D> some) {
        copy(dx.view().images(at.first * parts, at.count * parts), some);
      });
  return dx;
}

}  // namespace retrace::inline RETRACE_ISA
