// Poolings: permutations of pixels, the maximum of windows, and the mean of images.
#include "launches.cuh"

namespace retrace::kernels {

/// The extents of images that are pooled.
struct Grid {
  std::int64_t h, w;

  /// Splits pixel index p into image number, row and column.
  __device__ void split(std::int64_t p, std::int64_t& n, int& row, int& column) const {
    const std::int64_t line = p / w;
    column = static_cast<int>(p - line * w);
    n = line / h;
    row = static_cast<int>(line - n * h);
  }
};

enum class Pooling { channels, channels_back, batch, batch_back };

/// Moves the channels of every pixel of whole images to their positions in the pooled images, or
/// back. Both use the same memory, as pixels with the same number of channels.
template <class T, int V, Pooling Way>
struct Permute {
  static constexpr int width = V;
  Images<T> to;
  Pixels<const T> from;

  /// Returns a pixel's position after pooling. Channel pooling makes the four pixels of a window
  /// consecutive; batch pooling makes the four sub-images consecutive.
  __device__ std::int64_t pooled(std::int64_t pixel) const {
    std::int64_t n;
    int row, column;
    Grid{to.h, to.w}.split(pixel, n, row, column);
    const std::int64_t half = to.w / 2, window = (row % 2) * 2 + column % 2;
    if constexpr (Way == Pooling::channels || Way == Pooling::channels_back)
      return ((n * (to.h / 2) + row / 2) * half + column / 2) * 4 + window;
    else
      return n * to.h * to.w + window * (to.h / 2) * half + (row / 2) * half + column / 2;
  }

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const std::int64_t other = pooled(pixel);
    constexpr bool forward = Way == Pooling::channels || Way == Pooling::batch;
    put<V>(to.pixels(), forward ? other : pixel, channel,
           at<V>(from, forward ? pixel : other, channel));
  }
};

namespace {

template <Pooling Way, class T>
void permute(Context& on, const char* name, Images<T> to, const T* from) {
  const Pixels<const T> source{from, to.n * to.h * to.w, to.channels, to.channels};
  in_packs<T>(all_wide(to.pixels(), source), [&]<int V>() {
    walk(on, name, Permute<T, V, Way>{to, source}, source.count, source.channels);
  });
}

}  // namespace

template <class T>
void channel_pool(Context& on, Images<T> to, const T* from) {
  permute<Pooling::channels>(on, "channel_pool", to, from);
}
template <class T>
void channel_unpool(Context& on, Images<T> to, const T* from) {
  permute<Pooling::channels_back>(on, "channel_unpool", to, from);
}
template <class T>
void batch_pool(Context& on, Images<T> to, const T* from) {
  permute<Pooling::batch>(on, "batch_pool", to, from);
}
template <class T>
void batch_unpool(Context& on, Images<T> to, const T* from) {
  permute<Pooling::batch_back>(on, "batch_unpool", to, from);
}

/// The four pixels of the window of pooled pixel p.
struct Window {
  std::int64_t pixel[4];

  __device__ Window(std::int64_t p, std::int64_t pooled_width) {
    const std::int64_t row = p / pooled_width, column = p - row * pooled_width;
    const std::int64_t top = (2 * row * pooled_width + column) * 2;
    pixel[0] = top;
    pixel[1] = top + 1;
    pixel[2] = top + 2 * pooled_width;
    pixel[3] = top + 2 * pooled_width + 1;
  }
};

template <class T, int V>
struct MaxPool {
  static constexpr int width = V;
  Images<T> y;
  Pixels<std::uint8_t> largest;
  Pixels<const T> x;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const Window window(pixel, y.w);
    Pack<T, V> best = at<V>(x, window.pixel[0], channel);
    Pack<std::uint8_t, V> which{};
    for (int k = 1; k < 4; ++k) {
      const Pack<T, V> candidate = at<V>(x, window.pixel[k], channel);
      for (int i = 0; i < V; ++i)
        // NaN propagates, so that checks find it.
        if (candidate.v[i] > best.v[i] || candidate.v[i] != candidate.v[i]) {
          best.v[i] = candidate.v[i];
          which.v[i] = static_cast<std::uint8_t>(k);
        }
    }
    put<V>(y.pixels(), pixel, channel, best);
    put<V>(largest, pixel, channel, which);
  }
};

template <class T, int V>
struct MaxPoolBackward {
  static constexpr int width = V;
  Pixels<T> dx;
  Images<const T> dy;
  Pixels<const std::uint8_t> largest;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const Window window(pixel, dy.w);
    const Pack<T, V> gradient = at<V>(dy.pixels(), pixel, channel);
    const Pack<std::uint8_t, V> which = at<V>(largest, pixel, channel);
    for (int k = 0; k < 4; ++k) {
      Pack<T, V> share;
      for (int i = 0; i < V; ++i) share.v[i] = which.v[i] == k ? gradient.v[i] : T(0);
      put<V>(dx, window.pixel[k], channel, share);
    }
  }
};

template <class T>
void max_pool(Context& on, Images<T> y, Pixels<std::uint8_t> largest, Pixels<const T> x) {
  in_packs<T>(all_wide(y.pixels(), x) && largest.pitch % widest<T> == 0, [&]<int V>() {
    walk(on, "max_pool", MaxPool<T, V>{y, largest, x}, y.n * y.h * y.w, y.channels);
  });
}

template <class T>
void max_pool_backward(Context& on, Pixels<T> dx, Images<const T> dy,
                       Pixels<const std::uint8_t> largest) {
  in_packs<T>(all_wide(dx, dy.pixels()) && largest.pitch % widest<T> == 0, [&]<int V>() {
    walk(on, "max_pool_backward", MaxPoolBackward<T, V>{dx, dy, largest}, dy.n * dy.h * dy.w,
         dy.channels);
  });
}

/// Computes y[n,c] = the mean over the pixels of image n in double, with one thread per channel.
template <class T>
struct GlobalAverage {
  static constexpr int width = 1;
  Pixels<T> y;
  Pixels<const T> x;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t image, int channel, NoConstants) const {
    const std::int64_t pixels = x.count / y.count;
    double sum = 0;
    for (std::int64_t p = image * pixels; p < (image + 1) * pixels; ++p)
      sum += static_cast<double>(at<1>(x, p, channel).v[0]);
    put<1>(y, image, channel, Pack<T, 1>{{static_cast<T>(sum / static_cast<double>(pixels))}});
  }
};

template <class T, int V>
struct GlobalAverageBackward {
  static constexpr int width = V;
  Pixels<T> dx;
  Pixels<const T> dy;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const std::int64_t pixels = dx.count / dy.count;
    Pack<T, V> values = at<V>(dy, pixel / pixels, channel);
    const T share = T(1) / static_cast<T>(pixels);
    for (int i = 0; i < V; ++i) values.v[i] *= share;
    put<V>(dx, pixel, channel, values);
  }
};

template <class T>
void global_average(Context& on, Pixels<T> y, Pixels<const T> x) {
  walk(on, "global_average", GlobalAverage<T>{y, x}, y.count, y.channels);
}

template <class T>
void global_average_backward(Context& on, Pixels<T> dx, Pixels<const T> dy) {
  in_packs<T>(all_wide(dx, dy), [&]<int V>() {
    walk(on, "global_average_backward", GlobalAverageBackward<T, V>{dx, dy}, dx.count, dx.channels);
  });
}

// clang-format off
#define RETRACE_PERMUTE(T)                                                                        \
  template void channel_pool<T>(Context&, Images<T>, const T*);                                   \
  template void channel_unpool<T>(Context&, Images<T>, const T*);                                 \
  template void batch_pool<T>(Context&, Images<T>, const T*);                                     \
  template void batch_unpool<T>(Context&, Images<T>, const T*);
#define RETRACE_POOL(T)                                                                           \
  template void max_pool<T>(Context&, Images<T>, Pixels<std::uint8_t>, Pixels<const T>);          \
  template void max_pool_backward<T>(Context&, Pixels<T>, Images<const T>,                        \
                                     Pixels<const std::uint8_t>);                                 \
  template void global_average<T>(Context&, Pixels<T>, Pixels<const T>);                          \
  template void global_average_backward<T>(Context&, Pixels<T>, Pixels<const T>);
// clang-format on
RETRACE_PERMUTE(std::int16_t)
RETRACE_PERMUTE(std::int32_t)
RETRACE_PERMUTE(float)
RETRACE_PERMUTE(double)
RETRACE_POOL(float)
RETRACE_POOL(double)

}  // namespace retrace::kernels
