// The loss of a batch, and batches made of the images of a data set.
#include <cmath>

#include "launches.cuh"
#include "retrace/math/crop_flip.hpp"

namespace retrace::kernels {

inline constexpr int warp = 32, rows_a_block = 4;
inline constexpr unsigned whole_warp = 0xffffffffu;

/// A warp a row: dx = (softmax(x) − q)/images, in double inside, where q is `smoothing`/classes,
/// and 1 − smoothing more for the label.
template <class T>
__global__ void __launch_bounds__(warp* rows_a_block)
    softmax_kernel(Pixels<T> dx, Pixels<const T> x, const std::uint8_t* labels, double* losses,
                   std::uint8_t* hits, double images, double smoothing) {
  const std::int64_t row =
      static_cast<std::int64_t>(blockIdx.x) * rows_a_block + threadIdx.x / warp;
  if (row >= x.count) return;  // whole warps leave together
  const int lane = static_cast<int>(threadIdx.x) % warp, classes = static_cast<int>(x.channels);
  const T* logits = x.data + row * x.pitch;

  int first = 0;  // of those that are the largest
  double largest = -INFINITY;
  for (int c = lane; c < classes; c += warp) {
    const double logit = static_cast<double>(gpu::load(logits + c));
    if (logit > largest) {
      largest = logit;
      first = c;
    }
  }
  for (int distance = warp / 2; distance > 0; distance /= 2) {
    const double other = __shfl_xor_sync(whole_warp, largest, distance);
    const int where = __shfl_xor_sync(whole_warp, first, distance);
    if (other > largest || (other == largest && where < first)) {
      largest = other;
      first = where;
    }
  }

  double sum = 0, of_all = 0;
  for (int c = lane; c < classes; c += warp) {
    const double logit = static_cast<double>(gpu::load(logits + c)) - largest;
    sum += exp(logit);
    of_all += logit;
  }
  for (int distance = warp / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(whole_warp, sum, distance);
    of_all += __shfl_xor_sync(whole_warp, of_all, distance);
  }

  const int label = gpu::load(labels + row);
  const double of_label = static_cast<double>(gpu::load(logits + label)) - largest;
  const double of_each = smoothing / classes, more = 1 - smoothing;
  __syncwarp();  // dx may be x, and every lane has read the logit of the label
  for (int c = lane; c < classes; c += warp) {
    const double share = exp(static_cast<double>(gpu::load(logits + c)) - largest) / sum;
    gpu::store(dx.data + row * dx.pitch + c,
               static_cast<T>((share - (of_each + (c == label ? more : 0))) / images));
  }
  if (lane == 0) {
    gpu::store(losses + row,
               log(sum) - (smoothing > 0 ? more * of_label + of_each * of_all : of_label));
    gpu::store(hits + row, static_cast<std::uint8_t>(first == label));
  }
}

template <class T>
void softmax_cross_entropy(Context& on, Pixels<T> dx, Pixels<const T> x, const std::uint8_t* labels,
                           double* losses, std::uint8_t* hits, std::int64_t images,
                           double smoothing) {
  if (x.count == 0) return;
  gpu::launch(softmax_kernel<T>,
              {dim3(static_cast<unsigned>((x.count + rows_a_block - 1) / rows_a_block)),
               dim3(warp * rows_a_block), on.stream(), "softmax_cross_entropy"},
              dx, x, labels, losses, hits, static_cast<double>(images), smoothing);
  check_launch("softmax_cross_entropy");
}

/// A pixel of an image, its colour channels together.
template <class T>
struct Augment {
  static constexpr int width = 1;
  Images<T> out;
  const std::uint8_t* images;
  const std::int64_t* indices;
  const T* table;
  CropFlips crops;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const std::int64_t line = pixel / out.w, column = pixel - line * out.w;
    const std::int64_t n = line / out.h, row = line - n * out.h;
    const std::int64_t index = gpu::load(indices + n);
    const CropFlip crop = math::crop_flip(crops, index);
    const std::int64_t y = math::mirrored(crop.top + row, out.h);
    const std::int64_t x =
        math::mirrored(crop.left + (crop.flip ? out.w - 1 - column : column), out.w);
    const std::uint8_t value =
        gpu::load(images + ((index * out.h + y) * out.w + x) * out.channels + channel);
    put<1>(out.pixels(), pixel, channel,
           load<1>(table + value * static_cast<int>(out.channels) + channel));
  }
};

template <class T>
void augment(Context& on, Images<T> out, const std::uint8_t* images, const std::int64_t* indices,
             const T* table, const CropFlips& crops) {
  walk(on, "augment", Augment<T>{out, images, indices, table, crops}, out.n * out.h * out.w,
       out.channels);
}

// clang-format off
#define RETRACE_TRAINING(T)                                                                       \
  template void softmax_cross_entropy<T>(Context&, Pixels<T>, Pixels<const T>,                    \
                                         const std::uint8_t*, double*, std::uint8_t*,             \
                                         std::int64_t, double);                                   \
  template void augment<T>(Context&, Images<T>, const std::uint8_t*, const std::int64_t*,         \
                           const T*, const CropFlips&);
// clang-format on
RETRACE_TRAINING(float)
RETRACE_TRAINING(double)

}  // namespace retrace::kernels
