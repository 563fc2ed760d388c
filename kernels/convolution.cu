// Selects cuBLAS, cuDNN or the library's own kernels for a pass of a convolution.
#include "gemm.hpp"
#include "library_pass.cuh"
#include "own_convolution.hpp"

namespace retrace::kernels {

/// Transposes: to [columns, rows] = from [rows, columns]. Converts this library's weights
/// [k, k, C, K] to cuDNN's order, [K, k, k, C].
template <class E, class T>
__global__ void __launch_bounds__(block_threads)
    transpose_kernel(E* to, const T* from, int rows, int columns) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const int row = static_cast<int>(blockIdx.y);
  if (i >= columns) return;
  gpu::store(to + i * rows + row,
             static_cast<E>(gpu::load(from + static_cast<std::int64_t>(row) * columns + i)));
}

/// Adds a gradient in cuDNN's order: to [columns, rows] += factor·from [rows, columns], transposed.
template <class T, class E>
__global__ void __launch_bounds__(block_threads)
    add_transposed_kernel(T* to, const E* from, int rows, int columns, T factor) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  const int row = static_cast<int>(blockIdx.y);
  if (i >= columns) return;
  T* place = to + i * rows + row;
  const T value = static_cast<T>(gpu::load(from + static_cast<std::int64_t>(row) * columns + i));
  gpu::store(place, gpu::load(place) + factor * value);
}

namespace {

/// Returns a launch with one thread per element of [rows, columns].
gpu::Launch for_matrix(Context& on, std::int64_t rows, std::int64_t columns, const char* name) {
  gpu::Launch how = for_each(on, columns, name);
  how.grid.y = static_cast<unsigned>(rows);
  return how;
}

/// Calls body.operator()<E>() with the type E in which libraries compute convolutions of T.
template <class T, class Body>
void in_type(const Context& on, Body body) {
  if constexpr (std::is_same_v<T, float>) {
    if (on.convolution_type() == ConvolutionType::half) return body.template operator()<__half>();
    if (on.convolution_type() == ConvolutionType::bfloat16)
      return body.template operator()<__nv_bfloat16>();
  }
  body.template operator()<T>();
}

/// Returns whether cuBLAS can compute the pass as a product, without 16-bit operands.
template <class T>
bool by_product(Context* on, const Convolution& c) {
  return on && on->blas() && is_product(c) && !(sizeof(T) == 4 && on->narrows());
}

/// Returns the scratch size of a pass by cuDNN, or a negative value if cuDNN does not compute it.
template <class T>
std::int64_t library_scratch(Context* on, const Convolution& c) {
  std::int64_t bytes = -1;
  if (!on || !on->convolutions() || c.n == 0) return bytes;
  in_type<T>(*on, [&]<class E>() {
    const LibraryPass<T, E> pass(*on->convolutions(), c);
    if (pass.workspace >= 0) bytes = pass.bytes();
  });
  return bytes;
}

/// Runs the pass by cuDNN, on as many images at a time as the scratch allows. `w` is the weights or
/// their gradient, which is added to.
template <class T>
void run_by_library(Context& on, const Convolution& c, T* x, T* y, const T* w, T* dw,
                    Prologue<T> prologue, void* scratch) {
  in_type<T>(on, [&]<class E>() {
    const LibraryPass<T, E> pass(*on.convolutions(), c);
    const LibraryOperands<E> of = pass.operands_in(scratch);
    const int weights = static_cast<int>(pass.weights()), outputs = static_cast<int>(c.outputs);
    if (w) {
      gpu::launch(transpose_kernel<E, T>, for_matrix(on, weights, outputs, "transpose_weights"),
                  of.w, w, weights, outputs);
      check_launch("transpose_weights");
    }
    for (std::int64_t first = 0; first < c.n; first += pass.images) {
      run_part(on, pass, first, x, y, prologue, of);
      if (!dw) continue;
      gpu::launch(add_transposed_kernel<T, E>, for_matrix(on, outputs, weights, "add_transposed"),
                  dw, static_cast<const E*>(of.w), outputs, weights,
                  static_cast<T>(1 / gradient_scale<E>));
      check_launch("add_transposed");
    }
  });
}

}  // namespace

template <class T>
std::int64_t convolution_scratch(Context* on, const Convolution& c) {
  if (by_product<T>(on, c)) return product_workspace;
  const std::int64_t bytes = library_scratch<T>(on, c);
  return bytes < 0 ? own::scratch<T>(c) : bytes;
}

template <class T>
void convolve(Context& on, const Convolution& c, T* y, const T* x, const T* w, Prologue<T> prologue,
              void* scratch) {
  if (by_product<T>(&on, c)) return multiply(on, c, y, x, w, scratch);
  if (library_scratch<T>(&on, c) < 0) return own::convolve(on, c, y, x, w, prologue);
  run_by_library<T>(on, c, const_cast<T*>(x), y, w, nullptr, prologue, scratch);
}

template <class T>
void convolve_gradient(Context& on, const Convolution& c, T* dx, const T* dy, const T* w,
                       void* scratch) {
  if (by_product<T>(&on, c)) return multiply(on, c, dx, dy, w, scratch);
  if (library_scratch<T>(&on, c) < 0) return own::convolve_gradient(on, c, dx, dy, w);
  run_by_library<T>(on, c, dx, const_cast<T*>(dy), w, nullptr, {}, scratch);
}

template <class T>
void convolve_weight_gradient(Context& on, const Convolution& c, T* dw, const T* x, const T* dy,
                              Prologue<T> prologue, void* scratch) {
  if (by_product<T>(&on, c)) return multiply(on, c, dw, x, dy, scratch);
  if (library_scratch<T>(&on, c) < 0)
    return own::convolve_weight_gradient(on, c, dw, x, dy, prologue, static_cast<T*>(scratch));
  run_by_library<T>(on, c, const_cast<T*>(x), const_cast<T*>(dy), nullptr, dw, prologue, scratch);
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
