// The GPU operations that kernels/ compiles: functions on plain memory, compiled once for all
// programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "retrace/core/cross_entropy.hpp"
#include "retrace/core/pointwise_loss.hpp"
#include "retrace/core/store.hpp"
#include "retrace/core/update.hpp"
#include "retrace/math/crop_flip.hpp"

/// The interface of the compiled library. Nothing here depends on the instruction set of a program,
/// so one library serves all; core/operations.hpp documents the functions. All functions run
/// in the order of their calls on the stream of the context. They are finished when a later
/// function that returns a value or copies to the host has finished.
///
/// T is float or double unless stated otherwise. Pointers refer to the GPU's memory.
/// @throws DeviceError if the CUDA runtime or an NVIDIA library reports an error.
namespace retrace::kernels {

/// A stream and its resources.
class Context;

/// Elements [count, channels], with `pitch` elements from one pixel to the next.
template <class T>
struct Pixels {
  T* data;
  std::int64_t count, channels, pitch;

  template <class U>
  requires(std::is_same_v<U, const T> && !std::is_const_v<T>) constexpr operator Pixels<U>() const {
    return {data, count, channels, pitch};
  }
};

/// A batch of images [n, h, w, channels].
template <class T>
struct Images {
  T* data;
  std::int64_t n, h, w, channels, pitch;

  constexpr Pixels<T> pixels() const { return {data, n * h * w, channels, pitch}; }
  template <class U>
  requires(std::is_same_v<U, const T> && !std::is_const_v<T>) constexpr operator Images<U>() const {
    return {data, n, h, w, channels, pitch};
  }
};

/// The four per-channel coefficients of a normalisation.
template <class T>
struct Norm {
  const T *mean, *inverse_deviation, *scale, *shift;
};

/// act(scale·x + shift), applied to x as it is read. No normalisation if scale is null.
template <class T>
struct Prologue {
  const T *scale = nullptr, *shift = nullptr;
  T slope = 1;
};

/// (Σ g, Σ g·z) of every channel over `pixels` pixels.
struct Sums {
  const double* sums;
  std::int64_t pixels;
};

// ---- Context and memory ------------------------------------------------------------------------

/// The type to which convolutions in float round their operands before multiplying. Sums are in
/// float. cuDNN has no convolution from 16 bits to float, so its results are rounded as well.
/// Weights, gradients and everything between convolutions stay in float.
enum class ConvolutionType {
  float32,
  tf32,      ///< used by libraries if they expect it to be faster
  half,      ///< 11 bits; gradients are scaled by 1024 before and unscaled after
  bfloat16,  ///< 8 bits
};

/// Options of a device.
struct ContextOptions {
  bool libraries = true;  ///< allow cuDNN and cuBLAS
  ConvolutionType convolutions = ConvolutionType::float32;
  std::size_t workspace_limit = 256 << 20;  ///< the most bytes for one library call
};

/// Opens GPU number `device`.
/// @throws DeviceError if there is no such GPU.
Context* open(int device, const ContextOptions&);
void close(Context*) noexcept;
std::string name(Context&);
/// @throws std::bad_alloc if the GPU does not have enough free memory.
void* allocate(Context&, std::size_t bytes);
void release(Context&, void*) noexcept;
void synchronize(Context&);

/// Copy rows of `width` bytes between packed host memory and the GPU. Both wait.
void upload(Context&, void* to, std::size_t pitch, const void* from, std::size_t width,
            std::size_t rows);
void download(Context&, void* to, const void* from, std::size_t pitch, std::size_t width,
              std::size_t rows);

// ---- Recordings --------------------------------------------------------------------------------

/// The work put on the stream between begin_recording() and end_recording(), not yet executed.
class Recording;
void begin_recording(Context&);
/// @throws DeviceError if an operation in between cannot be recorded, such as a wait.
Recording* end_recording(Context&);
/// Ends a recording after an error, instead of end_recording().
void drop_recording(Context&) noexcept;
void launch(Context&, Recording&);
void close(Recording*) noexcept;

// ---- Reductions --------------------------------------------------------------------------------

/// Returns the number of thread blocks that reduce `pixels` pixels. It does not depend on the GPU,
/// so results have the same bits on all GPUs.
constexpr std::int64_t reducing_blocks(std::int64_t pixels) {
  const std::int64_t blocks = (pixels + 127) / 128;
  return blocks < 1 ? 1 : blocks < 264 ? blocks : 264;
}
/// Returns the scratch size, in doubles, of a function that reduces `values` numbers per channel.
constexpr std::int64_t reduction_scratch(std::int64_t pixels, std::int64_t values,
                                         std::int64_t channels) {
  return reducing_blocks(pixels) * values * channels;
}

/// Two results for a whole tensor.
struct Pair {
  double first = 0, second = 0;
};
/// The scratch size, in doubles, of the functions below.
inline constexpr std::int64_t pair_scratch = 2 * 264;

/// Returns the number of elements that are NaN or infinite.
template <class T>
double count_nonfinite(Context&, Pixels<const T> x, double* scratch);
template <class T>
double sum_of_squares(Context&, Pixels<const T> x, double* scratch);
template <class T>
double largest_magnitude(Context&, Pixels<const T> x, double* scratch);
/// Returns (Σ truth², Σ (truth − x)²). T may also be an integer.
template <class T>
Pair signal_noise(Context&, Pixels<const T> truth, Pixels<const T> x, double* scratch);

// ---- Element by element ------------------------------------------------------------------------
// In fill, copy and swap, T may also be std::uint8_t or an integer of 16, 32 or 64 bits.

template <class T>
void fill(Context&, Pixels<T> x, T value);
template <class T>
void copy(Context&, Pixels<T> to, Pixels<const T> from);
template <class T>
void add(Context&, Pixels<T> to, Pixels<const T> from, Store how);
template <class T>
void swap(Context&, Pixels<T> a, Pixels<T> b);
template <class T>
void scale(Context&, Pixels<T> x, T factor);
template <class T>
void scale_and_shift(Context&, Pixels<T> x, Pixels<const T> values, T bound);
template <class T>
void unscale_and_unshift(Context&, Pixels<T> y, Pixels<const T> values, T bound);
template <class T>
void scale_and_shift_backward(Context&, Pixels<T> dy, Pixels<const T> x, Pixels<T> values, T bound);
template <class T>
void drop_elements(Context&, Pixels<T> x, double rate, std::uint64_t seed, std::uint64_t step,
                   std::int64_t begin);
/// E is a 16-bit or 32-bit integer. Returns the counts (overflows, NaNs and infinities).
template <class E, class T>
Pair store_rounded(Context&, Pixels<E> q, Pixels<const T> x, T scale, Store how, double* scratch);
template <class T, class E>
void widen(Context&, Pixels<T> x, Pixels<const E> q, T step);
/// Copies a sample: sample[k] = x at the k-th scattered place.
template <class T>
void take_sample(Context&, Pixels<T> sample, Pixels<const T> x);

// ---- Normalisation -----------------------------------------------------------------------------

template <class T>
void channel_moments(Context&, Pixels<const T> x, double* mean, double* variance, double* scratch);
template <class T>
void channel_sums(Context&, Pixels<const T> x, double* sums, double* scratch);
/// Computes values += sums.
template <class T>
void add_sums(Context&, T* values, const double* sums, std::int64_t channels);
template <class T>
void record_statistics(Context&, T* mean, T* inverse_deviation, T* running_mean,
                       T* running_variance, const double* batch_mean, const double* batch_variance,
                       std::int64_t channels, double count, double epsilon, double momentum,
                       bool update);
template <class T>
void recall_statistics(Context&, T* mean, T* inverse_deviation, const T* running_mean,
                       const T* running_variance, std::int64_t channels, double epsilon);
/// γ is scaled as |γ| + floor if `positive`, and as γ otherwise.
template <class T>
void fold_normalisation(Context&, T* scale, T* shift, const T* mean, const T* inverse_deviation,
                        const T* gamma, const T* beta, std::int64_t channels, bool positive,
                        double floor);
template <class T>
void add_normalisation_gradient(Context&, T* dgamma, T* dbeta, const T* gamma, const double* sums,
                                std::int64_t channels, bool positive);
template <class T>
void normalise_activate(Context&, Pixels<T> y, Pixels<const T> x, Norm<T>, T slope);
template <class T>
void invert_normalise_activate(Context&, Pixels<T> y, Norm<T>, T slope);
template <class T>
void normalise_activate_sums(Context&, double* sums, Pixels<const T> x, Pixels<const T> dy, Norm<T>,
                             T slope, double* scratch);
template <class T>
void normalise_activate_backward(Context&, Pixels<T> dx, Pixels<const T> x, Pixels<const T> dy,
                                 Sums, Norm<T>, T slope, Store how);
template <class T>
void take_off_gradient_means(Context&, Pixels<T> dx, Pixels<const T> x, Sums, Norm<T>);
template <class T>
void invert_normalise_activate_sums(Context&, double* sums, Pixels<T> y, Pixels<T> dy, Norm<T>,
                                    T slope, double* scratch);
template <class T>
void activate(Context&, Pixels<T> x, T slope);
template <class T>
void deactivate(Context&, Pixels<T> y, T slope);
template <class T>
void activate_backward(Context&, Pixels<T> dy, Pixels<const T> sign, T slope);
template <class T>
void add_to_pixels(Context&, Pixels<T> x, const T* bias);

// ---- Pooling: the permutations take a packed copy of their input -------------------------------
// Here T may also be a 16-bit or 32-bit integer. The images are the unpooled ones.

template <class T>
void channel_pool(Context&, Images<T> to, const T* from);
template <class T>
void channel_unpool(Context&, Images<T> to, const T* from);
template <class T>
void batch_pool(Context&, Images<T> to, const T* from);
template <class T>
void batch_unpool(Context&, Images<T> to, const T* from);
template <class T>
void max_pool(Context&, Images<T> y, Pixels<std::uint8_t> largest, Pixels<const T> x);
template <class T>
void max_pool_backward(Context&, Pixels<T> dx, Images<const T> dy,
                       Pixels<const std::uint8_t> largest);
template <class T>
void global_average(Context&, Pixels<T> y, Pixels<const T> x);
template <class T>
void global_average_backward(Context&, Pixels<T> dx, Pixels<const T> dy);

// ---- Updates -----------------------------------------------------------------------------------

/// A parameter, its gradient and its moments, of `count` elements each.
template <class T>
struct UpdateTerm {
  T *value, *gradient, *first, *second;
  std::int64_t count;
  T decay;
};

/// Applies the step of core/update.hpp to all parameters. Sets gradients to 0 if `empties`. If
/// `rate_there` is not null, the rate is read from the GPU's memory instead.
template <class T, class Step>
void update_parameters(Context&, std::span<const UpdateTerm<T>>, T rate, const T* rate_there,
                       const Step&, bool empties);
/// @param mean  scratch for one double
template <class T>
void factor_gradient(Context&, T* gradient, std::int64_t rows, std::int64_t columns, T* row,
                     T* column, double beta, double epsilon, double* mean);

// ---- Loss and data -----------------------------------------------------------------------------

/// Inputs and results per row of logits: labels, losses, and whether the label has the largest
/// logit.
struct CrossEntropyData {
  const std::int32_t* labels;
  const double* weights;  ///< class weights; null means 1 each
  const double* divisor;  ///< replaces that of the terms if not null
  double* losses;
  std::uint8_t* hits;
};

/// Computes the gradient; losses and hits stay on the GPU.
template <class T>
void softmax_cross_entropy(Context&, Pixels<T> dx, Pixels<const T> x, const CrossEntropyData&,
                           const CrossEntropyTerms&);
/// Returns (Σ losses, Σ hits).
Pair sum_of_losses(Context&, const double* losses, const std::uint8_t* hits, std::int64_t rows,
                   double* scratch);
/// Computes the gradient; partial sums of the loss stay in `scratch`.
template <class T>
void pointwise_loss(Context&, Pixels<T> dy, Pixels<const T> y, Pixels<const T> target,
                    const PointwiseTerms&, double* scratch);
/// Adds up the partial sums of pointwise_loss for `pixels` pixels.
Pair sum_of_blocks(Context&, std::int64_t pixels, const double* scratch);
/// Writes images `indices` of a data set, cropped and flipped as in train/augmentation.hpp.
/// `table`, [256, C], holds the normalised value of each pixel value.
template <class T>
void augment(Context&, Images<T> out, const std::uint8_t* images, const std::int64_t* indices,
             const T* table, const CropFlips& crops);

// ---- Convolution -------------------------------------------------------------------------------

enum class ConvolutionPass { forward, input_gradient, weight_gradient };

/// A pass of y = x ∗ w with x [n, x_h, x_w, inputs], w [kernel, kernel, inputs, outputs] and
/// y [n, y_h, y_w, outputs], or with the gradients in their places.
struct Convolution {
  ConvolutionPass pass;
  std::int64_t n, x_h, x_w, inputs, x_pitch, y_h, y_w, outputs, y_pitch, kernel, stride;
  Store how = Store::set;  ///< how the result is stored; weight gradients are always added
  bool prologue = false;   ///< normalise and activate x as it is read
  bool aligned = true;     ///< every pixel of x and y begins at a multiple of 16 bytes
};

/// Returns the scratch size of the pass in bytes. Without a context: the size without libraries.
template <class T>
std::int64_t convolution_scratch(Context*, const Convolution&);
template <class T>
void convolve(Context&, const Convolution&, T* y, const T* x, const T* w, Prologue<T>,
              void* scratch);
template <class T>
void convolve_gradient(Context&, const Convolution&, T* dx, const T* dy, const T* w, void* scratch);
template <class T>
void convolve_weight_gradient(Context&, const Convolution&, T* dw, const T* x, const T* dy,
                              Prologue<T>, void* scratch);

}  // namespace retrace::kernels
