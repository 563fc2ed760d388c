// Convolutions as matrix products whose elements are gathered from images.
#pragma once

#include "convert.cuh"
#include "product.cuh"

namespace retrace::kernels {

/// The geometry of a convolution of stride s with a k x k window and "same" padding:
/// y(i, j) reads x(i·s + a − k/2, j·s + b − k/2) for 0 <= a, b < k.
struct Window2d {
  int kernel, stride, x_h, x_w, y_h, y_w;
};

/// The position of a pixel in a batch of images [n, h, w]. There must be fewer than 2^31 pixels,
/// because 64-bit divisions would take longer than the product.
struct PixelPlace {
  std::int64_t n;
  int row, column;

  __device__ PixelPlace(std::int64_t pixel, int h, int w) {
    const int line = static_cast<int>(pixel) / w, image = line / h;
    column = static_cast<int>(pixel) - line * w;
    row = line - image * h;
    n = image;
  }
};

/// Returns x(n, h, v, channel), normalised and activated if there is a prologue; 0 outside the
/// image.
template <class T>
__device__ T read_input(const Images<const T>& x, const Prologue<T>& prologue, std::int64_t n,
                        int h, int v, int channel) {
  if (h < 0 || h >= x.h || v < 0 || v >= x.w) return 0;
  const T value = gpu::load(x.data + ((n * x.h + h) * x.w + v) * x.pitch + channel);
  if (!prologue.scale) return value;
  return math::activate(
      gpu::load(prologue.scale + channel) * value + gpu::load(prologue.shift + channel),
      prologue.slope);
}

/// y = x ∗ w: a row of A is the window of a pixel of y, ordered by (tap, channel).
template <class T>
struct ForwardOperands {
  static constexpr bool a_k_first = true, b_k_first = false;
  Images<T> y;
  Images<const T> x;
  const T* w;
  Window2d window;
  Prologue<T> prologue;
  Store how;
  Rounding rounding;

  struct Row {
    const ForwardOperands& all;
    bool exists;
    PixelPlace place;

    __device__ T get(std::int64_t term) const {
      if (!exists) return 0;
      const int k = static_cast<int>(term), channels = static_cast<int>(all.x.channels);
      const int tap = k / channels, channel = k - tap * channels;
      const Window2d& window = all.window;
      const int h = place.row * window.stride + tap / window.kernel - window.kernel / 2;
      const int v = place.column * window.stride + tap % window.kernel - window.kernel / 2;
      return all.rounding(read_input(all.x, all.prologue, place.n, h, v, channel));
    }
  };
  struct Column {
    const T* from;
    std::int64_t pitch;
    Rounding rounding;
    __device__ T get(std::int64_t term) const {
      return from ? rounding(gpu::load(from + term * pitch)) : T(0);
    }
  };

  __device__ Row a(std::int64_t m, std::int64_t rows) const {
    return {*this, m < rows, PixelPlace(m, window.y_h, window.y_w)};
  }
  __device__ Column b(int n, int columns) const {
    return {n < columns ? w + n : nullptr, columns, rounding};
  }
  __device__ void store(int, std::int64_t m, int n, T sum) const {
    put<1>(y.pixels(), m, n, Pack<T, 1>{{sum}}, how);
  }
};

/// dx: a row of A is the elements of dy that a pixel of x affects, ordered by (tap, output
/// channel).
template <class T>
struct InputGradientOperands {
  static constexpr bool a_k_first = true, b_k_first = true;
  Images<T> dx;
  Images<const T> dy;
  const T* w;
  Window2d window;
  Store how;
  Rounding rounding;

  struct Row {
    const InputGradientOperands& all;
    bool exists;
    PixelPlace place;

    __device__ T get(std::int64_t term) const {
      if (!exists) return 0;
      const int k = static_cast<int>(term), outputs = static_cast<int>(all.dy.channels);
      const int tap = k / outputs, output = k - tap * outputs;
      const Window2d& window = all.window;
      const int h = place.row + window.kernel / 2 - tap / window.kernel;
      const int v = place.column + window.kernel / 2 - tap % window.kernel;
      if (h < 0 || v < 0 || h % window.stride != 0 || v % window.stride != 0) return 0;
      const int i = h / window.stride, j = v / window.stride;
      if (i >= window.y_h || j >= window.y_w) return 0;
      return all.rounding.gradient(gpu::load(
          all.dy.data + ((place.n * window.y_h + i) * window.y_w + j) * all.dy.pitch + output));
    }
  };
  struct Column {
    const T* from;  ///< w(0, 0, n, 0)
    int outputs;
    std::int64_t tap_pitch;
    Rounding rounding;

    __device__ T get(std::int64_t term) const {
      if (!from) return 0;
      const int k = static_cast<int>(term), tap = k / outputs;
      return rounding(gpu::load(from + tap * tap_pitch + (k - tap * outputs)));
    }
  };

  __device__ Row a(std::int64_t m, std::int64_t rows) const {
    return {*this, m < rows, PixelPlace(m, window.x_h, window.x_w)};
  }
  __device__ Column b(int n, int columns) const {
    const int outputs = static_cast<int>(dy.channels);
    return {n < columns ? w + static_cast<std::int64_t>(n) * outputs : nullptr, outputs,
            static_cast<std::int64_t>(columns) * outputs, rounding};
  }
  __device__ void store(int, std::int64_t m, int n, T sum) const {
    put<1>(dx.pixels(), m, n, Pack<T, 1>{{sum}}, how);
  }
};

/// dw: a row of A is the elements of x that a weight is multiplied by, one per pixel of y.
template <class T>
struct WeightGradientOperands {
  static constexpr bool a_k_first = false, b_k_first = false;
  T* partial;  ///< [slices, kernel, kernel, inputs, outputs]
  Images<const T> x, dy;
  Window2d window;
  Prologue<T> prologue;
  Rounding rounding;

  struct Row {
    const WeightGradientOperands& all;
    bool exists;
    int channel, down, right;

    __device__ T get(std::int64_t pixel) const {
      if (!exists) return 0;
      const Window2d& window = all.window;
      const PixelPlace place(pixel, window.y_h, window.y_w);
      const int h = place.row * window.stride + down, v = place.column * window.stride + right;
      return all.rounding(read_input(all.x, all.prologue, place.n, h, v, channel));
    }
  };
  struct Column {
    const T* from;
    std::int64_t pitch;
    Rounding rounding;
    __device__ T get(std::int64_t pixel) const {
      return from ? rounding.gradient(gpu::load(from + pixel * pitch)) : T(0);
    }
  };

  __device__ Row a(std::int64_t m, std::int64_t rows) const {
    const int inputs = static_cast<int>(x.channels), tap = static_cast<int>(m) / inputs;
    return {*this, m < rows, static_cast<int>(m) - tap * inputs,
            tap / window.kernel - window.kernel / 2, tap % window.kernel - window.kernel / 2};
  }
  __device__ Column b(int n, int columns) const {
    return {n < columns ? dy.data + n : nullptr, dy.pitch, rounding};
  }
  __device__ void store(int slice, std::int64_t m, int n, T sum) const {
    const std::int64_t outputs = dy.channels, weights = window.kernel * window.kernel * x.channels;
    gpu::store(partial + (slice * weights + m) * outputs + n, sum);
  }
};

}  // namespace retrace::kernels
