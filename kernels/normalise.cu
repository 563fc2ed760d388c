// Launches of the batch normalisation and activation passes.
#include "launches.cuh"
#include "moments.cuh"
#include "normalise.cuh"
#include "retrace/math/normalisation.hpp"

namespace retrace::kernels {

__global__ void __launch_bounds__(block_threads)
    add_blocks_kernel(const double* partial, int blocks, std::int64_t length, double* sums) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (i >= length) return;
  double sum = 0;
  for (int block = 0; block < blocks; ++block) sum += gpu::load(partial + block * length + i);
  gpu::store(sums + i, sum);
}

void add_blocks(Context& on, const double* partial, std::int64_t blocks, std::int64_t length,
                double* sums) {
  gpu::launch(add_blocks_kernel, for_each(on, length, "add_blocks"), partial,
              static_cast<int>(blocks), length, sums);
  check_launch("add_blocks");
}

/// Second stage of the moments.
__global__ void __launch_bounds__(block_threads)
    merge_moments_kernel(const double* partial, int blocks, std::int64_t channels, double* mean,
                         double* variance) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (c >= channels) return;
  Moments all;
  for (int block = 0; block < blocks; ++block) {
    const double* from = partial + block * 3 * channels + c;
    all.merge({gpu::load(from), gpu::load(from + channels), gpu::load(from + 2 * channels)});
  }
  gpu::store(mean + c, all.mean);
  gpu::store(variance + c, all.squares / all.count);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    record_statistics_kernel(T* mean, T* inverse_deviation, T* running_mean, T* running_variance,
                             const double* batch_mean, const double* batch_variance,
                             std::int64_t channels, double count, double epsilon, double momentum,
                             bool update) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (c >= channels) return;
  const double measured = gpu::load(batch_mean + c), variance = gpu::load(batch_variance + c);
  gpu::store(mean + c, static_cast<T>(measured));
  gpu::store(inverse_deviation + c, static_cast<T>(1 / sqrt(variance + epsilon)));
  if (!update) return;
  const double old_mean = static_cast<double>(gpu::load(running_mean + c));
  const double old_variance = static_cast<double>(gpu::load(running_variance + c));
  const T new_mean = static_cast<T>(math::moved_towards(old_mean, measured, momentum));
  const T new_variance =
      static_cast<T>(math::moved_towards(old_variance, variance * count / (count - 1), momentum));
  if (!math::finite(new_mean) || !math::finite(new_variance)) return;
  gpu::store(running_mean + c, new_mean);
  gpu::store(running_variance + c, new_variance);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    recall_statistics_kernel(T* mean, T* inverse_deviation, const T* running_mean,
                             const T* running_variance, std::int64_t channels, double epsilon) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (c >= channels) return;
  gpu::store(mean + c, gpu::load(running_mean + c));
  const double variance = static_cast<double>(gpu::load(running_variance + c));
  gpu::store(inverse_deviation + c, static_cast<T>(1 / sqrt(variance + epsilon)));
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    fold_normalisation_kernel(T* scale, T* shift, const T* mean, const T* inverse_deviation,
                              const T* gamma, const T* beta, std::int64_t channels,
                              math::ScaleRule rule) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (c >= channels) return;
  const T folded = rule.scale(gpu::load(gamma + c)) * gpu::load(inverse_deviation + c);
  gpu::store(scale + c, folded);
  gpu::store(shift + c, gpu::load(beta + c) - gpu::load(mean + c) * folded);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    normalisation_gradient_kernel(T* dgamma, T* dbeta, const T* gamma, const double* sums,
                                  std::int64_t channels, math::ScaleRule rule) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (c >= channels) return;
  const T g = static_cast<T>(gpu::load(sums + c));
  const T gz = static_cast<T>(gpu::load(sums + channels + c));
  gpu::store(dbeta + c, gpu::load(dbeta + c) + g);
  gpu::store(dgamma + c, gpu::load(dgamma + c) + rule.derivative(gpu::load(gamma + c)) * gz);
}

template <class T>
__global__ void __launch_bounds__(block_threads)
    add_sums_kernel(T* values, const double* sums, std::int64_t channels) {
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (c >= channels) return;
  gpu::store(values + c, gpu::load(values + c) + static_cast<T>(gpu::load(sums + c)));
}

template <class T>
void channel_moments(Context& on, Pixels<const T> x, double* mean, double* variance,
                     double* scratch) {
  if (x.channels == 0) return;
  const std::int64_t blocks = reducing_blocks(x.count);
  in_packs<T>(all_wide(x), [&]<int V>() {
    const Layout layout{x.count, static_cast<int>(x.channels / V)};
    gpu::launch(moments_kernel<T, V>,
                {dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(layout.column_blocks())),
                 dim3(block_threads), on.stream(), "moments"},
                layout, x, scratch);
    check_launch("moments");
  });
  gpu::launch(merge_moments_kernel, for_each(on, x.channels, "merge_moments"), scratch,
              static_cast<int>(blocks), x.channels, mean, variance);
  check_launch("merge_moments");
}

template <class T>
void channel_sums(Context& on, Pixels<const T> x, double* sums, double* scratch) {
  in_packs<T>(all_wide(x), [&]<int V>() {
    channel_sums(on, "pixel_sums", PixelSums<T, V>{x}, x.count, x.channels, sums, scratch);
  });
}

template <class T>
void add_sums(Context& on, T* values, const double* sums, std::int64_t channels) {
  gpu::launch(add_sums_kernel<T>, for_each(on, channels, "add_sums"), values, sums, channels);
  check_launch("add_sums");
}

template <class T>
void record_statistics(Context& on, T* mean, T* inverse_deviation, T* running_mean,
                       T* running_variance, const double* batch_mean, const double* batch_variance,
                       std::int64_t channels, double count, double epsilon, double momentum,
                       bool update) {
  gpu::launch(record_statistics_kernel<T>, for_each(on, channels, "record_statistics"), mean,
              inverse_deviation, running_mean, running_variance, batch_mean, batch_variance,
              channels, count, epsilon, momentum, update);
  check_launch("record_statistics");
}

template <class T>
void recall_statistics(Context& on, T* mean, T* inverse_deviation, const T* running_mean,
                       const T* running_variance, std::int64_t channels, double epsilon) {
  gpu::launch(recall_statistics_kernel<T>, for_each(on, channels, "recall_statistics"), mean,
              inverse_deviation, running_mean, running_variance, channels, epsilon);
  check_launch("recall_statistics");
}

template <class T>
void fold_normalisation(Context& on, T* scale, T* shift, const T* mean, const T* inverse_deviation,
                        const T* gamma, const T* beta, std::int64_t channels, bool positive,
                        double floor) {
  gpu::launch(fold_normalisation_kernel<T>, for_each(on, channels, "fold_normalisation"), scale,
              shift, mean, inverse_deviation, gamma, beta, channels,
              math::ScaleRule{positive, floor});
  check_launch("fold_normalisation");
}

template <class T>
void add_normalisation_gradient(Context& on, T* dgamma, T* dbeta, const T* gamma,
                                const double* sums, std::int64_t channels, bool positive) {
  gpu::launch(normalisation_gradient_kernel<T>, for_each(on, channels, "normalisation_gradient"),
              dgamma, dbeta, gamma, sums, channels, math::ScaleRule{positive, 0});
  check_launch("normalisation_gradient");
}

template <class T>
void normalise_activate(Context& on, Pixels<T> y, Pixels<const T> x, Norm<T> norm, T slope) {
  in_packs<T>(all_wide(y, x), [&]<int V>() {
    walk(on, "normalise_activate", NormaliseActivate<T, V>{y, x, norm, slope}, y.count, y.channels);
  });
}

template <class T>
void invert_normalise_activate(Context& on, Pixels<T> y, Norm<T> norm, T slope) {
  in_packs<T>(all_wide(y), [&]<int V>() {
    walk(on, "invert_normalise_activate", InvertNormaliseActivate<T, V>{y, norm, slope}, y.count,
         y.channels);
  });
}

template <class T>
void normalise_activate_sums(Context& on, double* sums, Pixels<const T> x, Pixels<const T> dy,
                             Norm<T> norm, T slope, double* scratch) {
  in_packs<T>(all_wide(x, dy), [&]<int V>() {
    channel_sums(on, "normalise_activate_sums", NormalisedGradientSums<T, V>{x, dy, norm, slope},
                 x.count, x.channels, sums, scratch);
  });
}

template <class T>
void normalise_activate_backward(Context& on, Pixels<T> dx, Pixels<const T> x, Pixels<const T> dy,
                                 Sums batch, Norm<T> norm, T slope, Store how) {
  in_packs<T>(all_wide(dx, x, dy), [&]<int V>() {
    walk(on, "normalise_activate_backward",
         NormaliseActivateBackward<T, V>{dx, x, dy, batch, norm, slope, how}, x.count, x.channels);
  });
}

template <class T>
void take_off_gradient_means(Context& on, Pixels<T> dx, Pixels<const T> x, Sums batch,
                             Norm<T> norm) {
  in_packs<T>(all_wide(dx, x), [&]<int V>() {
    walk(on, "take_off_gradient_means", TakeOffGradientMeans<T, V>{dx, x, batch, norm}, x.count,
         x.channels);
  });
}

template <class T>
void invert_normalise_activate_sums(Context& on, double* sums, Pixels<T> y, Pixels<T> dy,
                                    Norm<T> norm, T slope, double* scratch) {
  in_packs<T>(all_wide(y, dy), [&]<int V>() {
    channel_sums(on, "invert_normalise_activate_sums",
                 InvertNormaliseActivateSums<T, V>{y, dy, norm, slope}, y.count, y.channels, sums,
                 scratch);
  });
}

namespace {

template <Rectify Way, class T>
void rectify(Context& on, const char* name, Pixels<T> x, Pixels<const T> sign, T slope) {
  in_packs<T>(all_wide(x, sign), [&]<int V>() {
    walk(on, name, Rectified<T, V, Way>{x, sign, slope}, x.count, x.channels);
  });
}

}  // namespace

template <class T>
void activate(Context& on, Pixels<T> x, T slope) {
  rectify<Rectify::forward, T>(on, "activate", x, x, slope);
}
template <class T>
void deactivate(Context& on, Pixels<T> y, T slope) {
  rectify<Rectify::inverse, T>(on, "deactivate", y, y, slope);
}
template <class T>
void activate_backward(Context& on, Pixels<T> dy, Pixels<const T> sign, T slope) {
  rectify<Rectify::backward, T>(on, "activate_backward", dy, sign, slope);
}

template <class T>
void add_to_pixels(Context& on, Pixels<T> x, const T* bias) {
  in_packs<T>(all_wide(x), [&]<int V>() {
    walk(on, "add_to_pixels", AddBias<T, V>{x, bias}, x.count, x.channels);
  });
}

// clang-format off
#define RETRACE_NORMALISE(T)                                                                      \
  template void channel_moments<T>(Context&, Pixels<const T>, double*, double*, double*);         \
  template void channel_sums<T>(Context&, Pixels<const T>, double*, double*);                     \
  template void add_sums<T>(Context&, T*, const double*, std::int64_t);                           \
  template void record_statistics<T>(Context&, T*, T*, T*, T*, const double*, const double*,      \
                                     std::int64_t, double, double, double, bool);                 \
  template void recall_statistics<T>(Context&, T*, T*, const T*, const T*, std::int64_t, double); \
  template void fold_normalisation<T>(Context&, T*, T*, const T*, const T*, const T*, const T*,   \
                                      std::int64_t, bool, double);                                \
  template void add_normalisation_gradient<T>(Context&, T*, T*, const T*, const double*,          \
                                              std::int64_t, bool);                                \
  template void normalise_activate<T>(Context&, Pixels<T>, Pixels<const T>, Norm<T>, T);          \
  template void invert_normalise_activate<T>(Context&, Pixels<T>, Norm<T>, T);                    \
  template void normalise_activate_sums<T>(Context&, double*, Pixels<const T>, Pixels<const T>,   \
                                           Norm<T>, T, double*);                                  \
  template void normalise_activate_backward<T>(Context&, Pixels<T>, Pixels<const T>,              \
                                               Pixels<const T>, Sums, Norm<T>, T, Store);         \
  template void take_off_gradient_means<T>(Context&, Pixels<T>, Pixels<const T>, Sums, Norm<T>);  \
  template void invert_normalise_activate_sums<T>(Context&, double*, Pixels<T>, Pixels<T>,        \
                                                  Norm<T>, T, double*);                           \
  template void activate<T>(Context&, Pixels<T>, T);                                              \
  template void deactivate<T>(Context&, Pixels<T>, T);                                            \
  template void activate_backward<T>(Context&, Pixels<T>, Pixels<const T>, T);                    \
  template void add_to_pixels<T>(Context&, Pixels<T>, const T*);
// clang-format on
RETRACE_NORMALISE(float)
RETRACE_NORMALISE(double)

}  // namespace retrace::kernels
