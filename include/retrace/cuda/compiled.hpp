// The operations of a GPU as kernels/ compiles them: on plain memory, once for every program.
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

/// What a program links. Nothing here depends on the instruction set that a program is compiled
/// for, so one library serves them all; core/operations.hpp says what each function does. All of
/// them run in the order of their calls, on the stream of the context, and are done when a later
/// one that returns something or reads for the host is.
///
/// T is float or double where nothing else is said. Pointers are to the GPU's memory.
/// @throws DeviceError if the runtime or a library of NVIDIA's reports an error.
namespace retrace::kernels {

/// A stream and what belongs to it.
class Context;

/// [count, channels], with `pitch` elements from one pixel to the next.
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

/// The four numbers of a channel that a normalisation computes with.
template <class T>
struct Norm {
  const T *mean, *inverse_deviation, *scale, *shift;
};

/// act(scale·x + shift) as x is read; no normalisation where scale is null.
template <class T>
struct Prologue {
  const T *scale = nullptr, *shift = nullptr;
  T slope = 1;
};

/// (Σ g, Σ g·z) of every channel over so many pixels.
struct Sums {
  const double* sums;
  std::int64_t pixels;
};

// ---- Context and memory ------------------------------------------------------------------------

/// What operands of convolutions in float are rounded to before they are multiplied; sums are in
/// float. cuDNN has no convolution from 16 bits to float, so its results are rounded as well.
/// Weights, gradients and everything between convolutions stay in float.
enum class ConvolutionType {
  float32,
  tf32,      ///< by libraries, where they think that faster
  half,      ///< 11 bits; gradients are multiplied by 1024 before, and divided after
  bfloat16,  ///< 8 bits
};

/// What a device may use, and how much of it.
struct ContextOptions {
  bool libraries = true;  ///< convolutions and products may be cuDNN's and cuBLAS's
  ConvolutionType convolutions = ConvolutionType::float32;
  std::size_t workspace_limit = 256 << 20;  ///< bytes that one of theirs may take
};

/// @throws DeviceError without a GPU of that number.
Context* open(int device, const ContextOptions&);
void close(Context*) noexcept;
std::string name(Context&);
/// @throws std::bad_alloc if the GPU has no room.
void* allocate(Context&, std::size_t bytes);
void release(Context&, void*) noexcept;
void synchronize(Context&);

/// Rows of `width` bytes between the host, where they are packed, and the GPU. Both wait.
void upload(Context&, void* to, std::size_t pitch, const void* from, std::size_t width,
            std::size_t rows);
void download(Context&, void* to, const void* from, std::size_t pitch, std::size_t width,
              std::size_t rows);

// ---- Recordings --------------------------------------------------------------------------------

/// What was put on the stream from begin_recording() to end_recording(), none of which is done yet.
class Recording;
void begin_recording(Context&);
/// @throws DeviceError if something between them cannot be recorded, such as a wait.
Recording* end_recording(Context&);
/// In place of end_recording(), after an error.
void drop_recording(Context&) noexcept;
void launch(Context&, Recording&);
void close(Recording*) noexcept;

// ---- Reductions --------------------------------------------------------------------------------

/// Blocks of threads that reduce so many pixels together, whatever the GPU: results have the same
/// bits on all of them.
constexpr std::int64_t reducing_blocks(std::int64_t pixels) {
  const std::int64_t blocks = (pixels + 127) / 128;
  return blocks < 1 ? 1 : blocks < 264 ? blocks : 264;
}
/// Doubles of scratch that a function takes which reduces `values` numbers a channel.
constexpr std::int64_t reduction_scratch(std::int64_t pixels, std::int64_t values,
                                         std::int64_t channels) {
  return reducing_blocks(pixels) * values * channels;
}

/// Two numbers of a whole tensor; what they are is the function's.
struct Pair {
  double first = 0, second = 0;
};
/// Doubles of scratch that those take.
inline constexpr std::int64_t pair_scratch = 2 * 264;

/// Elements that are NaN or infinite.
template <class T>
double count_nonfinite(Context&, Pixels<const T> x, double* scratch);
template <class T>
double sum_of_squares(Context&, Pixels<const T> x, double* scratch);
template <class T>
double largest_magnitude(Context&, Pixels<const T> x, double* scratch);
/// (Σ truth², Σ (truth − x)²). T is an integer, too.
template <class T>
Pair signal_noise(Context&, Pixels<const T> truth, Pixels<const T> x, double* scratch);

// ---- Element by element ------------------------------------------------------------------------
// In fill, copy and swap T may be std::uint8_t or an integer of 16, 32 or 64 bits as well.

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
/// E is an integer of 16 or 32 bits. Returns (overflows, NaNs and infinities).
template <class E, class T>
Pair store_rounded(Context&, Pixels<E> q, Pixels<const T> x, T scale, Store how, double* scratch);
template <class T, class E>
void widen(Context&, Pixels<T> x, Pixels<const E> q, T step);
/// sample[k] = x at the k-th scattered place.
template <class T>
void take_sample(Context&, Pixels<T> sample, Pixels<const T> x);

// ---- Normalisation -----------------------------------------------------------------------------

template <class T>
void channel_moments(Context&, Pixels<const T> x, double* mean, double* variance, double* scratch);
template <class T>
void channel_sums(Context&, Pixels<const T> x, double* sums, double* scratch);
/// values += sums.
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
/// The scale of γ is |γ| + floor if `positive`, and γ otherwise.
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

// ---- Pooling: the permutations take a packed copy of what they permute -------------------------
// In these T may be an integer of 16 or 32 bits as well. The images are those not pooled.

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

/// A step of core/update.hpp for all of these, and g = 0 if it `empties`; at the rate that is in
/// the GPU's memory, if `rate_there` is not null.
template <class T, class Step>
void update_parameters(Context&, std::span<const UpdateTerm<T>>, T rate, const T* rate_there,
                       const Step&, bool empties);
/// @param mean  a double of scratch
template <class T>
void factor_gradient(Context&, T* gradient, std::int64_t rows, std::int64_t columns, T* row,
                     T* column, double beta, double epsilon, double* mean);

// ---- Loss and data -----------------------------------------------------------------------------

/// Of the rows of logits, one each: their labels, losses, and whether the label's logit is the
/// largest.
struct CrossEntropyData {
  const std::int32_t* labels;
  const double* weights;  ///< of the classes; null: 1 each
  const double* divisor;  ///< in place of that of the terms, if not null
  double* losses;
  std::uint8_t* hits;
};

/// Losses and hits stay on the GPU.
template <class T>
void softmax_cross_entropy(Context&, Pixels<T> dx, Pixels<const T> x, const CrossEntropyData&,
                           const CrossEntropyTerms&);
/// (Σ losses, Σ hits).
Pair sum_of_losses(Context&, const double* losses, const std::uint8_t* hits, std::int64_t rows,
                   double* scratch);
/// The sums of blocks stay in the scratch.
template <class T>
void pointwise_loss(Context&, Pixels<T> dy, Pixels<const T> y, Pixels<const T> target,
                    const PointwiseTerms&, double* scratch);
/// What that left of so many pixels, added up.
Pair sum_of_blocks(Context&, std::int64_t pixels, const double* scratch);
/// Images `indices` of a data set, cropped and flipped as train/augmentation.hpp does; `table`
/// holds the normalised value of each of 256 pixel values, [256, C].
template <class T>
void augment(Context&, Images<T> out, const std::uint8_t* images, const std::int64_t* indices,
             const T* table, const CropFlips& crops);

// ---- Convolution -------------------------------------------------------------------------------

enum class ConvolutionPass { forward, input_gradient, weight_gradient };

/// A pass of y = x ∗ w: x [n, x_h, x_w, inputs], w [kernel, kernel, inputs, outputs] and
/// y [n, y_h, y_w, outputs], or the gradients in their places.
struct Convolution {
  ConvolutionPass pass;
  std::int64_t n, x_h, x_w, inputs, x_pitch, y_h, y_w, outputs, y_pitch, kernel, stride;
  Store how = Store::set;  ///< what becomes of the result; a gradient of weights is added
  bool prologue = false;   ///< x is normalised and activated as it is read
  bool aligned = true;     ///< every pixel of x and y begins at a multiple of 16 bytes
};

/// Bytes of scratch that the pass takes. Without a context: what it takes without libraries.
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
