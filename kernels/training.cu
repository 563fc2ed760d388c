// Losses of a batch, and batches made of images of a data set.
#include <cmath>

#include "launches.cuh"
#include "reduce.cuh"
#include "retrace/math/crop_flip.hpp"
#include "retrace/math/pointwise_loss.hpp"

namespace retrace::kernels {

inline constexpr int warp = 32, rows_a_block = 4;
inline constexpr unsigned whole_warp = 0xffffffffu;

/// The gradient of core/cross_entropy.hpp, one warp per row, computed in double. Class weights are
/// 1 if `weights` is null.
template <class T>
__global__ void __launch_bounds__(warp* rows_a_block)
    softmax_kernel(Pixels<T> dx, Pixels<const T> x, CrossEntropyData of, CrossEntropyTerms terms) {
  const std::int64_t row =
      static_cast<std::int64_t>(blockIdx.x) * rows_a_block + threadIdx.x / warp;
  if (row >= x.count) return;  // whole warps exit together
  const int lane = static_cast<int>(threadIdx.x) % warp, classes = static_cast<int>(x.channels);
  const T* logits = x.data + row * x.pitch;
  const int label = gpu::load(of.labels + row);
  if (label == terms.ignore) {
    for (int c = lane; c < classes; c += warp) gpu::store(dx.data + row * dx.pitch + c, T(0));
    if (lane == 0) {
      gpu::store(of.losses + row, 0.0);
      gpu::store(of.hits + row, std::uint8_t{0});
    }
    return;
  }

  int first = 0;  // the first class with the largest logit
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

  const auto weight_of = [&](int c) { return of.weights ? gpu::load(of.weights + c) : 1.0; };
  double sum = 0, of_all = 0, of_classes = 0;
  for (int c = lane; c < classes; c += warp) {
    const double logit = static_cast<double>(gpu::load(logits + c)) - largest;
    sum += exp(logit);
    of_all += weight_of(c) * logit;
    of_classes += weight_of(c);
  }
  for (int distance = warp / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(whole_warp, sum, distance);
    of_all += __shfl_xor_sync(whole_warp, of_all, distance);
    of_classes += __shfl_xor_sync(whole_warp, of_classes, distance);
  }

  const double of_label =
      weight_of(label) * (static_cast<double>(gpu::load(logits + label)) - largest);
  const double of_each = terms.smoothing / classes, more = 1 - terms.smoothing;
  const double all = of.weights ? more * weight_of(label) + of_each * of_classes : 1;
  const double divisor = of.divisor ? gpu::load(of.divisor) : terms.divisor;
  __syncwarp();  // dx may be x: every lane must have read the label's logit
  for (int c = lane; c < classes; c += warp) {
    const double share = exp(static_cast<double>(gpu::load(logits + c)) - largest) / sum;
    const double wanted = weight_of(c) * (of_each + (c == label ? more : 0));
    gpu::store(dx.data + row * dx.pitch + c, static_cast<T>((all * share - wanted) / divisor));
  }
  if (lane == 0) {
    gpu::store(
        of.losses + row,
        all * log(sum) - (terms.smoothing > 0 ? more * of_label + of_each * of_all : of_label));
    gpu::store(of.hits + row, static_cast<std::uint8_t>(first == label));
  }
}

template <class T>
void softmax_cross_entropy(Context& on, Pixels<T> dx, Pixels<const T> x, const CrossEntropyData& of,
                           const CrossEntropyTerms& terms) {
  if (x.count == 0) return;
  gpu::launch(softmax_kernel<T>,
              {dim3(static_cast<unsigned>((x.count + rows_a_block - 1) / rows_a_block)),
               dim3(warp * rows_a_block), on.stream(), "softmax_cross_entropy"},
              dx, x, of, terms);
  check_launch("softmax_cross_entropy");
}

/// Sums the losses and hits of the rows of a batch.
struct RowSums {
  static constexpr int width = 1;
  static constexpr Combine combine = Combine::sum;
  const double* losses;
  const std::uint8_t* hits;

  __device__ void operator()(std::int64_t row, int, double& loss, double& correct) const {
    loss += gpu::load(losses + row);
    correct += gpu::load(hits + row);
  }
};

Pair sum_of_losses(Context& on, const double* losses, const std::uint8_t* hits, std::int64_t rows,
                   double* scratch) {
  return reduce(on, "sum_of_losses", RowSums{losses, hits}, rows, 1, scratch);
}

/// Sums the loss of elements compared with their targets, and writes its gradient.
template <class T>
struct PointwiseLosses {
  static constexpr int width = 1;
  static constexpr Combine combine = Combine::sum;
  Pixels<T> dy;
  Pixels<const T> y, target;
  PointwiseTerms terms;

  __device__ void operator()(std::int64_t pixel, int channel, double& sum, double&) const {
    const double value = static_cast<double>(at<1>(y, pixel, channel).v[0]);
    const bool logistic = terms.loss == PointwiseLoss::logistic;
    const double exponential = logistic ? exp(-fabs(value)) : 0;
    const auto found =
        math::pointwise_loss(terms, value, static_cast<double>(at<1>(target, pixel, channel).v[0]),
                             exponential, log1p(exponential));
    sum += found.loss;
    put<1>(dy, pixel, channel, Pack<T, 1>{static_cast<T>(found.slope / terms.divisor)});
  }
};

template <class T>
void pointwise_loss(Context& on, Pixels<T> dy, Pixels<const T> y, Pixels<const T> target,
                    const PointwiseTerms& terms, double* scratch) {
  reduce_blocks(on, "pointwise_loss", PointwiseLosses<T>{dy, y, target, terms}, y.count, y.channels,
                scratch);
}

Pair sum_of_blocks(Context& on, std::int64_t pixels, const double* scratch) {
  return reduced<Combine::sum>(on, pixels, scratch);
}

/// Augments one pixel of an image, all its colour channels together.
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
                                         const CrossEntropyData&, const CrossEntropyTerms&);      \
  template void pointwise_loss<T>(Context&, Pixels<T>, Pixels<const T>, Pixels<const T>,          \
                                  const PointwiseTerms&, double*);                                \
  template void augment<T>(Context&, Images<T>, const std::uint8_t*, const std::int64_t*,         \
                           const T*, const CropFlips&);
// clang-format on
RETRACE_TRAINING(float)
RETRACE_TRAINING(double)

}  // namespace retrace::kernels
