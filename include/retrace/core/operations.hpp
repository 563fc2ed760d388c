// The operations of a backend, which layers, losses and optimizers call on a device.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>

#include "retrace/core/addend.hpp"
#include "retrace/core/attention.hpp"
#include "retrace/core/channel_norm.hpp"
#include "retrace/core/chunk_attention.hpp"
#include "retrace/core/cross_entropy.hpp"
#include "retrace/core/gate.hpp"
#include "retrace/core/loss_sum.hpp"
#include "retrace/core/metered_device.hpp"
#include "retrace/core/pointwise_loss.hpp"
#include "retrace/core/sequence.hpp"
#include "retrace/core/smooth_activation.hpp"
#include "retrace/core/store.hpp"
#include "retrace/core/tensor.hpp"
#include "retrace/core/update.hpp"
#include "retrace/core/update_term.hpp"

namespace retrace {
struct CropFlips;
}
namespace retrace::inline RETRACE_ISA::math {
struct ScaleRule;
struct LshBuckets;
struct SignalNoise;
template <class Count>
struct RoundingCounts;
}  // namespace retrace::inline RETRACE_ISA::math

/// An operation is a free function in namespace retrace, overloaded on the device D of its views.
/// Views have any pitch unless marked `packed`. Results have the same bits every time, whatever
/// other load the machine has. On a dry device an operation only adds up its Work; if it returns a
/// number, it returns 0.
///
/// Each backend has a header with all its operations, which ends with
/// static_assert(Operations<D, float>): cpu/operations.hpp, cuda/operations.hpp.
namespace retrace::inline RETRACE_ISA::operations {

/// A device: allocates memory and supports dry execution. MeteredDevice provides all of this except
/// the name and dry_device().
template <class D>
concept Metered = Device<D> && requires(D device, const D& constant) {
  typename D::Rehearsal;  // scope guard that makes the device dry
  { constant.work() } -> std::convertible_to<Work>;
  { D::dry_device() } -> std::same_as<D>;                          // always dry, needs no hardware
  { machine_name(constant) } -> std::convertible_to<std::string>;  // identifies measured times
};

/// Elements of any type: floating-point values, narrow states, labels, indices.
template <class D, class E>
concept Moves = requires(View<E, D> x, View<const E, D> from, std::span<E> out,
                         std::span<const E> in) {
  fill(x, E{});
  copy(x, from);
  upload(x, in);        // from packed host memory
  download(out, from);  // to packed host memory; waits for all earlier operations
};

/// Arithmetic element by element.
template <class D, class T>
concept Arithmetic = requires(View<T, D> x, View<const T, D> from, Store how, double factor) {
  add(x, from, how);  // x += from or x −= from
  scale(x, factor);   // x *= factor, packed
  swap_halves(x, x);  // exchanges the elements of two views
  { all_finite(from) } -> std::same_as<bool>;
  { sum_of_squares(from) } -> std::same_as<double>;  // packed, in double
};

/// The permutations of invertible pooling, in place and packed; x has the larger images.
template <class D, class E>
concept Permutes = requires(View<E, D> x) {
  channel_pool(x);    // space to depth
  channel_unpool(x);  // depth to space
  batch_pool(x);      // space to batch within each image
  batch_unpool(x);
};

/// Pooling without an inverse.
template <class D, class T>
concept Pooling = requires(View<T, D> y, View<const T, D> x, View<std::uint8_t, D> largest,
                           View<const std::uint8_t, D> chosen) {
  max_pool(y, largest, x);  // over 2 x 2 windows; `largest` is its index in the window
  max_pool_backward(y, x, chosen);
  global_average(y, x);  // over the pixels of x.n/y.n images
  global_average_backward(y, x);
};

/// y =, += or −= x ∗ w with zero "same" padding, for odd kernels [k,k,C,K] and any stride. x is
/// normalised and activated as it is read unless `prologue` is null. y must not overlap x.
template <class D, class T>
concept Convolves = requires(View<T, D> y, View<const T, D> x, View<const T, D> w, Index stride,
                             const NormActivation<T, D>* prologue, Store how, View<double, D> sums,
                             const ChannelNorm<T, D>& norm, Activation activation) {
  conv2d(y, x, w, stride, prologue, how);
  conv2d_moments(y, x, w, stride, prologue, how, sums, sums);  // and channel_moments(y, …)
  conv2d_input_gradient(y, x, w, stride, how);                 // y is dx, x is dy
  // dx, and normalise_activate_sums(sums, x, dx, norm, activation)
  conv2d_input_gradient_sums(y, x, w, stride, sums, x, norm, activation);
  conv2d_weight_gradient(y, x, x, stride, prologue);  // dw += gradient of x and dy
};

/// Optional: matrix products, for Linear and the layers of sequences.
template <class D, class T>
concept Multiplies = requires(View<T, D> y, View<const T, D> a, Factor factor, Store how) {
  matmul(y, a, factor, a, factor, how);  // y =, += or −= a·b, image by image
  add_to_pixels(y, a, how);              // x[pixel] += or −= bias
};

/// Optional: the other operations of layers of sequences.
template <class D, class T>
concept AttendsAndGates = Multiplies<D, T> &&
    requires(View<T, D> y, View<const T, D> x, View<double, D> sums, View<const double, D> given,
             std::span<const std::int32_t> ids, const AttentionTerms<D>& terms, const T* scale,
             Gate gate, Index number, double epsilon, Store how, const D& device) {
  apply_gate(y, x, gate, how);              // y = x·σ(v(x))
  apply_gate_backward(y, x, x, gate, how);  // dx from x and dy
  apply_gated_unit(y, x, gate, how);        // y = act(x₁)·x₂
  apply_gated_unit_backward(y, x, x, gate, how);
  row_statistics(y, x, epsilon, true);         // (μ, 1/σ) of every position
  normalise_rows(y, x, x, scale, scale, how);  // γ·(x − μ)/σ + β
  normalise_rows_sums(sums, x, x, x);          // Σ dy·z and Σ dy
  normalise_rows_backward(y, x, x, x, scale, true, how);
  add_converted(y, given);              // y += sums in double
  gather_rows(y, x, ids);               // rows of a table
  add_rows(y, x, ids);                  // table[id] += dy, in order
  add_positions(y, x, x, number, how);  // x + table[t]
  add_position_sums(y, x, number);
  add_axial_positions(y, x, x, x, number, how);  // x + (rows[t/W], columns[t mod W])
  add_axial_position_sums(y, y, x, number);
  rotate_heads(y, number, number, epsilon, true);  // rotary positions
  attention(y, y, x, x, x, terms);                 // core/attention.hpp
  attention_backward(y, y, y, x, x, x, x, x, x, terms);
  { parallelism(device) } -> std::same_as<Index>;  // images and heads at the same time
};

/// A bias per channel, [1,1,1,C].
template <class D, class T>
concept Biases = requires(View<T, D> x, View<const T, D> bias) {
  add_to_pixels(x, bias);   // x[pixel] += bias
  add_pixel_sums(x, bias);  // sums += Σ over the pixels of x
};

/// The coefficients of a batch normalisation; those in double are [1,1,1,C], sums [2,C].
template <class D, class T>
concept ChannelStatistics = requires(View<T, D> t, View<const T, D> from, View<double, D> sums,
                                     View<const double, D> given, const math::ScaleRule& rule,
                                     double number) {
  fill(sums, 0.0);
  add(sums, given);
  scale(sums, number);
  channel_moments(from, sums, sums);  // the mean and the biased variance
  // mean and 1/σ of a batch; with `update`, running averages move if they stay finite
  record_statistics(t, t, t, t, given, given, number, number, number, true);
  recall_statistics(t, t, from, from, number);             // running averages as mean and 1/σ
  fold_normalisation(t, t, from, from, from, from, rule);  // scale = s/σ, shift = β − μ·s/σ
  add_normalisation_gradient(t, t, from, given, rule);     // dγ and dβ from Σ g and Σ g·z
};

/// Fused normalisation and activation. u = scale·x + shift, z is the standardised x and
/// g = dy·act′(u).
template <class D, class T>
concept Normalises = requires(View<T, D> y, View<const T, D> x, View<double, D> sums,
                              const GradientSums<D>& batch, const ChannelNorm<T, D>& norm,
                              Activation activation, Store how) {
  normalise_activate(y, x, norm, activation);             // y = act(u); y may be x
  invert_normalise_activate(y, norm, activation);         // y becomes x
  normalise_activate_sums(sums, x, x, norm, activation);  // (Σ g, Σ g·z) of x and dy
  // dx =, += or −= scale·(g − mean g − z·mean(g·z)); dx may be dy
  normalise_activate_backward(y, x, x, batch, norm, activation, how);
  take_off_gradient_means(y, x, batch, norm);  // dx −= scale·(mean g + z·mean(g·z))
  // y becomes x, dy becomes g, and sums as above
  invert_normalise_activate_sums(sums, y, y, norm, activation);
};

/// Activations by themselves, in place.
template <class D, class T>
concept Activates = requires(View<T, D> x, View<const T, D> sign, Activation activation) {
  activate(x, activation);
  deactivate(x, activation);               // x becomes act⁻¹(x)
  activate_backward(x, sign, activation);  // dy becomes dy·act′, by the sign of u or y
};

/// The affine coupling: e(s) = exp(bound·tanh s). `values` holds s and, if it has twice as many
/// channels as x, t after it.
template <class D, class T>
concept Affine = requires(View<T, D> x, View<const T, D> values, double bound) {
  scale_and_shift(x, values, bound);              // x = x·e(s) + t
  unscale_and_unshift(x, values, bound);          // the inverse
  scale_and_shift_backward(x, values, x, bound);  // replaces dy by dx, values by their gradient
};

/// Dropout by a counter-based generator (math/philox.hpp).
template <class D, class T>
concept Drops = requires(View<T, D> x, double rate, std::uint64_t seed, Index begin) {
  drop_elements(x, rate, seed, seed, begin);  // packed; `begin` is the number of x's first element
};

/// The error of a reconstruction.
template <class D, class T>
concept MeasuresNoise = requires(View<T, D> sample, View<const T, D> x) {
  { signal_noise(x, x) } -> std::same_as<math::SignalNoise>;  // original and reconstruction
  take_sample(sample, x);                                     // at scattered places; packed
  { sample_noise(x, x) } -> std::same_as<math::SignalNoise>;  // a sample and the reconstruction
  { largest_magnitude(x) } -> std::same_as<double>;
};

/// A state in narrow elements E, between layers that compute in T.
template <class D, class T, class E>
concept NarrowState = Moves<D, E> && Permutes<D, E> &&
    requires(View<E, D> q, View<const E, D> stored, View<T, D> x, View<const T, D> from,
             double step, Store how) {
  // q =, += or −= round(x/step); counts the values that do not fit
  { store_rounded(q, from, step, how) } -> std::same_as<math::RoundingCounts<Index>>;
  widen(x, stored, step);  // x = q·step
  swap_halves(q, q);
};

/// Losses: gradients set, sums returned (core/cross_entropy.hpp, core/pointwise_loss.hpp).
template <class D, class T>
concept Losses = requires(View<T, D> dy, View<const T, D> y, std::span<const std::int32_t> labels,
                          std::span<const double> weights, const CrossEntropyTerms& classes,
                          const PointwiseTerms& values) {
  { softmax_cross_entropy(dy, y, labels, weights, classes) } -> std::same_as<LossSum>;
  { pointwise_loss(dy, y, y, values) } -> std::same_as<double>;
};

/// Vectors of tokens, whose numbers are elements of x.
template <class D, class T>
concept EmbedsTokens = requires(View<T, D> y, View<const T, D> x, Index rows, Store how) {
  require_tokens(x, rows);
  embed_tokens(y, x, x, x, how);  // a table and vectors of positions
  add_token_gradients(y, x, x);
  add_position_gradients(y, x);
};

/// Losses per row, for sequences.
template <class D, class T>
concept TokenLosses = requires(View<T, D> y, View<const T, D> x, View<const std::int32_t, D> labels,
                               std::int32_t ignore) {
  token_losses(y, x, labels, ignore);         // y = −log softmax(x)[label], [rows,1]
  token_loss_gradient(y, labels, x, ignore);  // logits y become the gradient of their loss times x
};

/// Attention within chunks of positions and of hash buckets.
template <class D, class T>
concept AttendsInChunks = requires(View<T, D> y, View<const T, D> x,
                                   View<const std::uint16_t, D> buckets,
                                   View<std::uint16_t, D> hashes, const ChunkAttentionTerms& terms,
                                   const math::LshBuckets& count, std::uint64_t seed, Index n,
                                   Store how) {
  local_attention(y, x, terms, how);
  local_attention_gradient(y, x, x, terms, how);  // y is dx; x and dy
  lsh_buckets(hashes, x, n, terms, count, seed, seed);
  lsh_attention(y, x, buckets, terms, n, how);
  lsh_attention_gradient(y, x, x, buckets, terms, n, how);
};

/// Optimizers: the steps of core/update.hpp. All tensors are packed.
template <class D, class T, class Step>
concept Updates = requires(UpdateTerm<T, D> term, std::span<const UpdateTerm<T, D>> terms,
                           double rate, Step step) {
  update_parameter(term, rate, step);    // for one parameter
  update_parameters(terms, rate, step);  // for many; sets their gradients to 0
};

/// Optimizers: operations that scale gradients, for Adafactor and for clipping.
template <class D, class T>
concept ScalesGradients = requires(View<T, D> gradient, double number) {
  factor_gradient(gradient, gradient, gradient, number, number);
  scale(gradient, number);
};

/// Optional: log-determinants of flows, [N,1,1,1] in double, which the operations add to.
template <class D, class T>
concept LogDets = requires(View<T, D> x, View<const T, D> values, double number,
                           View<double, D> log_det) {
  scale_and_shift(x, values, number, log_det);  // the affine coupling with Σ bound·tanh s
  unscale_and_unshift(x, values, number, log_det);
  scale_and_shift_backward(x, values, x, number, number);
};

/// Optional: a training step that is recorded once and then launched (train/recorded_step.hpp).
template <class D, class T>
concept Records = requires(View<T, D> dy, View<const T, D> y, View<const std::int32_t, D> labels,
                           View<const double, D> numbers, View<double, D> losses,
                           View<std::uint8_t, D> hits, const CrossEntropyTerms& terms,
                           const PointwiseTerms& values, D& device,
                           std::span<const UpdateTerm<T, D>> updates, Momentum momentum) {
  typename D::Recording;
  softmax_cross_entropy(dy, y, labels, numbers, numbers, losses, hits, terms);  // without waiting
  { sum_of_losses(numbers, View<const std::uint8_t, D>(hits), losses) } -> std::same_as<LossSum>;
  pointwise_loss(dy, y, y, values, losses);  // leaves the partial sums in loss_scratch()
  { loss_scratch(device) } -> std::same_as<Tensor<double, D>>;
  { sum_of_loss(y.shape(), numbers) } -> std::same_as<double>;
  update_parameters(updates, y, momentum);  // with the rate in device memory
};

/// Optional: smooth activations (layer/smooth.hpp).
template <class D, class T>
concept Smooths = requires(View<T, D> y, View<const T, D> x, SmoothActivation f, Store how) {
  smooth_activation(y, x, f, how);                  // y =, += or −= f(x); y may be x
  smooth_activation_gradient(y, x, x, f, how);      // dx =, += or −= f′(x)·dy; dx may be dy
  smooth_activation_curvature(y, x, x, x, f, how);  // dx =, += or −= f″(x)·u·dw
};

/// Optional: solvers of differential equations and inverses by iteration. All tensors are packed.
template <class D, class T>
concept Solves = requires(View<T, D> y, View<const T, D> x, std::span<const Addend<T, D>> terms,
                          double tolerance, View<double, D> sums) {
  combine(y, terms);  // y = Σ factor·x; y may be one of them
  // Σ (e/(absolute + relative·max(|a|, |b|)))²
  { sum_of_error_ratios(x, x, x, tolerance, tolerance) } -> std::same_as<double>;
  add_inner_products(sums, x, x, tolerance);  // sums += factor·⟨a, b⟩ of each image
  add_product(y, x, x, tolerance);            // y += factor·a·b, of any pitch
};

/// Optional: a data set in the device's memory (train/device_images.hpp).
template <class D, class T>
concept Augments = requires(View<T, D> out, View<const std::uint8_t, D> set,
                            View<const std::int64_t, D> indices, View<const T, D> table,
                            const CropFlips& crops) {
  augment_images(out, set, indices, table, crops);
};

}  // namespace retrace::inline RETRACE_ISA::operations

namespace retrace::inline RETRACE_ISA {

/// All operations that a backend must have for networks in elements T, group by group.
template <class D, class T>
concept Operations =
    operations::Metered<D> && operations::Moves<D, T> && operations::Moves<D, std::uint8_t> &&
    operations::Moves<D, Index> && operations::Arithmetic<D, T> && operations::Permutes<D, T> &&
    operations::Pooling<D, T> && operations::Convolves<D, T> && operations::Biases<D, T> &&
    operations::ChannelStatistics<D, T> && operations::Normalises<D, T> &&
    operations::Activates<D, T> && operations::Affine<D, T> && operations::Drops<D, T> &&
    operations::MeasuresNoise<D, T> && operations::NarrowState<D, T, std::int16_t> &&
    operations::NarrowState<D, T, std::int32_t> && operations::Losses<D, T> &&
    operations::Updates<D, T, Momentum> && operations::Updates<D, T, AdamStep> &&
    operations::Updates<D, T, LionStep> && operations::ScalesGradients<D, T>;

}  // namespace retrace::inline RETRACE_ISA
