// A pass of a convolution by cuDNN: its scratch memory and how it is run.
#pragma once

#include <algorithm>
#include <type_traits>

#include "convert.cuh"
#include "normalise.cuh"

namespace retrace::kernels {

/// The addresses of a pass's operands for cuDNN.
template <class E>
struct LibraryOperands {
  E *x, *w, *y;
  void* workspace;
};

/// A pass over elements of T that cuDNN computes in E. It uses copies of the weights in cuDNN's
/// order, of x if it is normalised as it is read, and of x and y if E is not T. The copies are
/// consecutive in scratch memory, followed by cuDNN's workspace.
template <class T, class E>
struct LibraryPass {
  static constexpr bool narrows = !std::is_same_v<T, E>;
  static constexpr std::int64_t most_copied_bytes = 32 << 20;

  Convolution whole;
  std::int64_t images;     ///< images per call, limited by the copies of x and y
  std::int64_t workspace;  ///< bytes; negative if cuDNN cannot compute the pass

  LibraryPass(ConvolutionLibrary& library, const Convolution& c) : whole(c), images(1) {
    const std::int64_t image = x_bytes() + y_bytes(), all = std::max<std::int64_t>(c.n, 1);
    images = image > 0 ? std::clamp<std::int64_t>(most_copied_bytes / image, 1, all) : c.n;
    workspace = library.workspace(part(0), element_type<E>);
    if (workspace >= 0 && c.n % images != 0) {
      const std::int64_t last = library.workspace(part(c.n - c.n % images), element_type<E>);
      workspace = last < 0 ? -1 : std::max(workspace, last);
    }
  }

  /// Returns the pass on some images, starting at `first`.
  Convolution part(std::int64_t first) const {
    Convolution c = whole;
    c.n = std::min(images, whole.n - first);
    if (copies_x()) c.x_pitch = c.inputs;
    if (narrows) c.y_pitch = c.outputs;
    c.aligned = c.aligned || narrows;
    c.prologue = false;
    if (narrows || c.pass == ConvolutionPass::weight_gradient) c.how = Store::set;
    return c;
  }
  bool copies_x() const { return narrows || whole.prologue; }
  /// Returns the number of weights per output.
  std::int64_t weights() const { return whole.kernel * whole.kernel * whole.inputs; }
  std::int64_t weight_bytes() const { return aligned(weights() * whole.outputs); }
  std::int64_t x_bytes() const {
    return copies_x() ? aligned(images * whole.x_h * whole.x_w * whole.inputs) : 0;
  }
  std::int64_t y_bytes() const {
    return narrows ? aligned(images * whole.y_h * whole.y_w * whole.outputs) : 0;
  }
  std::int64_t bytes() const { return weight_bytes() + x_bytes() + y_bytes() + workspace; }

  LibraryOperands<E> operands_in(void* scratch) const {
    char* const w = static_cast<char*>(scratch);
    char *const x = w + weight_bytes(), *const y = x + x_bytes();
    return {reinterpret_cast<E*>(x), reinterpret_cast<E*>(w), reinterpret_cast<E*>(y),
            y + y_bytes()};
  }

 private:
  static std::int64_t aligned(std::int64_t elements) {
    return (elements * static_cast<std::int64_t>(sizeof(E)) + 255) / 256 * 256;
  }
};

/// Runs the pass on its images from `first` on; x and y begin with the first image of the batch.
template <class T, class E>
void run_part(Context& on, const LibraryPass<T, E>& pass, std::int64_t first, T* x, T* y,
              Prologue<T> prologue, LibraryOperands<E> of) {
  const Convolution &c = pass.whole, part = pass.part(first);
  const Pixels<T> from_x{x + first * c.x_h * c.x_w * c.x_pitch, part.n * c.x_h * c.x_w, c.inputs,
                         c.x_pitch};
  const Pixels<T> from_y{y + first * c.y_h * c.y_w * c.y_pitch, part.n * c.y_h * c.y_w, c.outputs,
                         c.y_pitch};
  if constexpr (LibraryPass<T, E>::narrows) {
    constexpr float scale = gradient_scale<E>;
    if (c.pass != ConvolutionPass::input_gradient) narrow<E>(on, of.x, from_x, prologue, 1);
    if (c.pass != ConvolutionPass::forward) narrow<E>(on, of.y, from_y, {}, scale);
    on.convolutions()->run(part, element_type<E>, of.x, of.w, of.y, of.workspace);
    if (c.pass == ConvolutionPass::forward) widen_result<E>(on, from_y, of.y, 1, c.how);
    if (c.pass == ConvolutionPass::input_gradient)
      widen_result<E>(on, from_x, of.x, 1 / scale, c.how);
  } else {
    T* input = from_x.data;
    if (c.prologue) {
      const Norm<T> norm{prologue.scale, prologue.scale, prologue.scale, prologue.shift};
      normalise_activate<T>(on, {of.x, from_x.count, c.inputs, c.inputs}, Pixels<const T>(from_x),
                            norm, prologue.slope);
      input = of.x;
    }
    on.convolutions()->run(part, element_type<T>, input, of.w, from_y.data, of.workspace);
  }
}

}  // namespace retrace::kernels
