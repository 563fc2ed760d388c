// Convolutions on the host, in NHWC on pitched views: forward pass and both gradients.
#pragma once

#include "retrace/cpu/conv_backend.hpp"
#include "retrace/cpu/direct_conv.hpp"
#include "retrace/cpu/direct_weights.hpp"
#include "retrace/cpu/winograd.hpp"
#include "retrace/cpu/winograd_weights.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// Returns whether Winograd's algorithm is faster. The answer depends on one image alone, so a
/// convolution gives an image the same bits in any batch.
///
/// A tile that overlaps the image's edge costs as much as a full one. With few channels the
/// products do not pay for the transforms; with too many inputs the 36 matrices do not fit in the
/// cache.
template <class T>
bool winograd_pays(const Cpu& device, Shape image, Index inputs, Index outputs, Index kernel,
                   Index stride) {
  if (!device.winograd() || kernel != 3 || stride != 1) return false;
  if (inputs * outputs < 8 * lanes<T> || inputs > 512) return false;
  const Index tiles = ((image.h + 3) / 4) * ((image.w + 3) / 4);
  return 9 * image.h * image.w >= 48 * tiles;
}

template <class T>
void convolve(View<T, Cpu> y, View<const T, Cpu> x, View<const T, Cpu> w, Index stride,
              const NormActivation<T, Cpu>* prologue, Store how, PixelReader* reader = nullptr) {
  const auto timed = y.device().timed(Operation::convolution);
  if (done_elsewhere<T>(y.device(), [&](auto& backend) {
        return backend.convolve(y, x, w, stride, prologue, how);
      })) {
    if (reader) read_all<T>(*reader, y.device(), y.shape());
    return;
  }
  const Shape in = x.shape(), kernel = w.shape();
  const ConvImage<T> image{x.data(), in.h, in.w, in.c, x.pitch(), 1, prologue};
  const Index image_step = in.h * in.w * x.pitch();
  const ConvWeights<T> weights{w.data(), kernel.n * kernel.h, in.c, kernel.c, false};
  if (winograd_pays<T>(y.device(), in, in.c, kernel.c, kernel.n, stride))
    WinogradConvolution<T>{y, image, image_step, weights, how}.run(reader);
  else
    DirectConvolution<T>{y, image, image_step, weights, kernel.n, stride, how}.run(reader);
}

template <class T>
void convolve_gradient(View<T, Cpu> dx, View<const T, Cpu> dy, View<const T, Cpu> w, Index stride,
                       Store how, PixelReader* reader = nullptr) {
  const auto timed = dx.device().timed(Operation::input_gradient);
  if (done_elsewhere<T>(dx.device(), [&](auto& backend) {
        return backend.input_gradient(dx, dy, w, stride, how);
      })) {
    if (reader) read_all<T>(*reader, dx.device(), dx.shape());
    return;
  }
  const Shape out = dy.shape(), kernel = w.shape();
  const ConvImage<T> image{dy.data(), out.h, out.w, out.c, dy.pitch(), stride};
  const Index image_step = out.h * out.w * dy.pitch();
  const ConvWeights<T> weights{w.data(), kernel.n * kernel.h, out.c, kernel.w, true};
  if (winograd_pays<T>(dx.device(), out, out.c, kernel.w, kernel.n, stride))
    WinogradConvolution<T>{dx, image, image_step, weights, how}.run(reader);
  else
    DirectConvolution<T>{dx, image, image_step, weights, kernel.n, 1, how}.run(reader);
}

}  // namespace cpu

/// Computes y (set, += or −=) x * w with zero "same" padding. `prologue` is applied to x as it is
/// read.
/// Shapes: x [N,H,W,C], w [k,k,C,K] with k odd, y [N,⌈H/stride⌉,⌈W/stride⌉,K].
/// y must not overlap x. The bits depend neither on `how` nor on the number of threads or images.
template <class T>
void conv2d(View<T, Cpu> y, ConstView<T, Cpu> x, ConstView<T, Cpu> w, Index stride,
            const NormActivation<T, Cpu>* prologue = nullptr, Store how = Store::set) {
  cpu::convolve<T>(y, x, w, stride, prologue, how);
}

/// Computes conv2d and channel_moments(y) in one pass: y is measured while it is in the cache.
/// @pre mean and variance hold one value per channel of y, and y has a pixel.
template <class T>
void conv2d_moments(View<T, Cpu> y, ConstView<T, Cpu> x, ConstView<T, Cpu> w, Index stride,
                    const NormActivation<T, Cpu>* prologue, Store how, View<double, Cpu> mean,
                    View<double, Cpu> variance) {
  cpu::ChannelMoments<T> moments(y);
  cpu::convolve<T>(y, x, w, stride, prologue, how, &moments);
  moments.finish(mean, variance);
}

/// Computes dx (set, += or −=), the gradient of conv2d's input. dx must not overlap dy.
template <class T>
void conv2d_input_gradient(View<T, Cpu> dx, ConstView<T, Cpu> dy, ConstView<T, Cpu> w, Index stride,
                           Store how = Store::set) {
  cpu::convolve_gradient<T>(dx, dy, w, stride, how);
}

/// Computes conv2d_input_gradient and normalise_activate_sums(sums, x, dx, …) in one pass: dx, the
/// gradient of the normalised and activated x, is summed while it is in the cache.
template <class T>
void conv2d_input_gradient_sums(View<T, Cpu> dx, ConstView<T, Cpu> dy, ConstView<T, Cpu> w,
                                Index stride, View<double, Cpu> sums, ConstView<T, Cpu> x,
                                const ChannelNorm<T, Cpu>& norm, Activation activation) {
  using Tile = cpu::NormalisedGradientTile<T>;
  cpu::ChannelSums<T, 2, Tile> all(dx.device(), sums, dx.shape().c,
                                   Tile{x, dx, norm, static_cast<T>(activation.slope)});
  cpu::convolve_gradient<T>(dx, dy, w, stride, Store::set, &all);
  all.finish();
}

/// Adds the gradient of conv2d's weights to dw. `prologue` is applied to x as it is read.
template <class T>
void conv2d_weight_gradient(View<T, Cpu> dw, ConstView<T, Cpu> x, ConstView<T, Cpu> dy,
                            Index stride, const NormActivation<T, Cpu>* prologue = nullptr) {
  const auto timed = dw.device().timed(Operation::weight_gradient);
  if (cpu::done_elsewhere<T>(dw.device(), [&](auto& backend) {
        return backend.weight_gradient(dw, x, dy, stride, prologue);
      }))
    return;
  const Shape in = x.shape();
  const cpu::ConvImage<T> image{x.data(), in.h, in.w, in.c, x.pitch(), 1, prologue};
  if (cpu::winograd_pays<T>(dw.device(), in, in.c, dy.shape().c, dw.shape().n, stride))
    cpu::WinogradWeightGradient<T>{dw, image, dy}.run();
  else
    cpu::DirectWeightGradient<T>{dw, image, dy, stride}.run();
}

}  // namespace retrace::inline RETRACE_ISA
