// Chooses who computes a pass of a convolution: cuBLAS, cuDNN or the library's own kernels.
#include <algorithm>

#include "gemm.hpp"
#include "launches.cuh"
#include "normalise.cuh"
#include "own_convolution.hpp"

namespace retrace::kernels {

/// Between the library's weights [k, k, C, K] and cuDNN's [K, k, k, C]: one is the other
/// transposed.
template <class T>
__global__ void __launch_bounds__(block_threads)
    transpose_kernel(T* to, const T* from, int rows, int columns, bool adds) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const int row = static_cast<int>(blockIdx.y);
  if (i >= columns) return;
  T* place = to + i * rows + row;
  const T value = gpu::load(from + static_cast<std::int64_t>(row) * columns + i);
  gpu::store(place, adds ? gpu::load(place) + value : value);
}

namespace {

/// to [columns, rows] =, or +=, from [rows, columns] transposed.
template <class T>
void transpose(Context& on, T* to, const T* from, std::int64_t rows, std::int64_t columns,
               bool adds) {
  gpu::Launch how = for_each(on, columns, "transpose_weights");
  how.grid.y = static_cast<unsigned>(rows);
  gpu::launch(transpose_kernel<T>, how, to, from, static_cast<int>(rows), static_cast<int>(columns),
              adds);
  check_launch("transpose_weights");
}

/// A pass by cuDNN: what it needs in scratch memory, one after the other.
template <class T>
struct LibraryPass {
  static constexpr std::int64_t most_input_bytes = 32 << 20;

  Convolution whole;
  std::int64_t images;     ///< at a time, as far as scratch for their normalised x goes
  std::int64_t workspace;  ///< bytes; negative if cuDNN cannot

  LibraryPass(ConvolutionLibrary& library, const Convolution& c) : whole(c), images(c.n) {
    const std::int64_t image = c.x_h * c.x_w * c.inputs * static_cast<std::int64_t>(sizeof(T));
    if (c.prologue && image > 0)
      images =
          std::clamp<std::int64_t>(most_input_bytes / image, 1, std::max<std::int64_t>(c.n, 1));
    workspace = library.workspace(part(0), element_type<T>);
    if (workspace >= 0 && c.n % images != 0) {
      const std::int64_t last = library.workspace(part(c.n - c.n % images), element_type<T>);
      workspace = last < 0 ? -1 : std::max(workspace, last);
    }
  }

  /// The pass on some images from `first` on.
  Convolution part(std::int64_t first) const {
    Convolution c = whole;
    c.n = std::min(images, whole.n - first);
    if (c.prologue) c.x_pitch = c.inputs;
    c.prologue = false;
    if (c.pass == ConvolutionPass::weight_gradient) c.how = first == 0 ? Store::set : Store::add;
    return c;
  }
  std::int64_t weights() const { return whole.kernel * whole.kernel * whole.inputs; }
  std::int64_t weight_bytes() const { return aligned(weights() * whole.outputs); }
  std::int64_t input_bytes() const {
    return whole.prologue ? aligned(images * whole.x_h * whole.x_w * whole.inputs) : 0;
  }
  std::int64_t bytes() const { return weight_bytes() + input_bytes() + workspace; }

 private:
  static std::int64_t aligned(std::int64_t elements) {
    return (elements * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
  }
};

/// Runs a pass by cuDNN image by image as far as it has to be cut: x may be what it computes, and w
/// is in cuDNN's order.
template <class T>
void run_in_parts(Context& on, const LibraryPass<T>& pass, T* x, T* w, T* y, Prologue<T> prologue,
                  char* scratch) {
  const Convolution& c = pass.whole;
  T* const normalised = reinterpret_cast<T*>(scratch);
  void* const workspace = scratch + pass.input_bytes();
  for (std::int64_t first = 0; first < c.n; first += pass.images) {
    const Convolution part = pass.part(first);
    T* input = x + first * c.x_h * c.x_w * c.x_pitch;
    if (c.prologue) {
      const std::int64_t pixels = part.n * c.x_h * c.x_w;
      const Norm<T> norm{prologue.scale, prologue.scale, prologue.scale, prologue.shift};
      normalise_activate<T>(on, {normalised, pixels, c.inputs, c.inputs},
                            Pixels<const T>{input, pixels, c.inputs, c.x_pitch}, norm,
                            prologue.slope);
      input = normalised;
    }
    on.convolutions()->run(part, element_type<T>, input, w, y + first * c.y_h * c.y_w * c.y_pitch,
                           workspace);
  }
}

/// Whether the pass is cuDNN's.
template <class T>
bool by_library(Context* on, const Convolution& c) {
  return on && on->convolutions() && c.n > 0 &&
         LibraryPass<T>(*on->convolutions(), c).workspace >= 0;
}
bool by_product(Context* on, const Convolution& c) { return on && on->blas() && is_product(c); }

}  // namespace

template <class T>
std::int64_t convolution_scratch(Context* on, const Convolution& c) {
  if (by_product(on, c)) return product_workspace;
  if (by_library<T>(on, c)) return LibraryPass<T>(*on->convolutions(), c).bytes();
  return own::scratch<T>(c);
}

template <class T>
void convolve(Context& on, const Convolution& c, T* y, const T* x, const T* w, Prologue<T> prologue,
              void* scratch) {
  if (by_product(&on, c)) return multiply(on, c, y, x, w, scratch);
  if (!by_library<T>(&on, c)) return own::convolve(on, c, y, x, w, prologue);
  const LibraryPass<T> pass(*on.convolutions(), c);
  T* const weights = static_cast<T*>(scratch);
  transpose(on, weights, w, pass.weights(), c.outputs, false);
  run_in_parts(on, pass, const_cast<T*>(x), weights, y, prologue,
               static_cast<char*>(scratch) + pass.weight_bytes());
}

template <class T>
void convolve_gradient(Context& on, const Convolution& c, T* dx, const T* dy, const T* w,
                       void* scratch) {
  if (by_product(&on, c)) return multiply(on, c, dx, dy, w, scratch);
  if (!by_library<T>(&on, c)) return own::convolve_gradient(on, c, dx, dy, w);
  const LibraryPass<T> pass(*on.convolutions(), c);
  T* const weights = static_cast<T*>(scratch);
  transpose(on, weights, w, pass.weights(), c.outputs, false);
  run_in_parts(on, pass, dx, weights, const_cast<T*>(dy), Prologue<T>{},
               static_cast<char*>(scratch) + pass.weight_bytes());
}

template <class T>
void convolve_weight_gradient(Context& on, const Convolution& c, T* dw, const T* x, const T* dy,
                              Prologue<T> prologue, void* scratch) {
  if (by_product(&on, c)) return multiply(on, c, dw, x, dy, scratch);
  if (!by_library<T>(&on, c))
    return own::convolve_weight_gradient(on, c, dw, x, dy, prologue, static_cast<T*>(scratch));
  const LibraryPass<T> pass(*on.convolutions(), c);
  T* const gradient = static_cast<T*>(scratch);
  run_in_parts(on, pass, const_cast<T*>(x), gradient, const_cast<T*>(dy), prologue,
               static_cast<char*>(scratch) + pass.weight_bytes());
  transpose(on, dw, gradient, c.outputs, pass.weights(), true);
}

// clang-format off
#define RETRACE_CONVOLUTION(T)                                                                    \
  template std::int64_t convolution_scratch<T>(Context*, const Convolution&);                     \
  template void convolve<T>(Context&, const Convolution&, T*, const T*, const T*, Prologue<T>,    \
                            void*);                                                               \
  template void convolve_gradient<T>(Context&, const Convolution&, T*, const T*, const T*, void*); \
  template void convolve_weight_gradient<T>(Context&, const Convolution&, T*, const T*, const T*, \
                                            Prologue<T>, void*);
// clang-format on
RETRACE_CONVOLUTION(float)
RETRACE_CONVOLUTION(double)

}  // namespace retrace::kernels
