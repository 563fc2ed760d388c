// Convolutions on a GPU, in NHWC on pitched views: forward pass and both gradients.
#pragma once

#include "retrace/cuda/normalise.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cuda {

template <class T>
kernels::Prologue<T> prologue_of(const NormActivation<T, Cuda>* prologue) {
  if (!prologue) return {};
  return {prologue->norm.scale.data(), prologue->norm.shift.data(),
          static_cast<T>(prologue->activation.slope)};
}

/// Describes a pass over images x and y, or the gradients in their places, with weights of shape w.
template <class T>
kernels::Convolution convolution(kernels::ConvolutionPass pass, View<T, Cuda> x, View<T, Cuda> y,
                                 Shape w, Index stride, Store how, bool prologue) {
  const Shape in = x.shape(), out = y.shape();
  const auto aligned = [](View<T, Cuda> images) {
    return reinterpret_cast<std::uintptr_t>(images.data()) % 16 == 0 &&
           images.pitch() * static_cast<Index>(sizeof(T)) % 16 == 0;
  };
  return {.pass = pass,
          .n = in.n,
          .x_h = in.h,
          .x_w = in.w,
          .inputs = in.c,
          .x_pitch = x.pitch(),
          .y_h = out.h,
          .y_w = out.w,
          .outputs = out.c,
          .y_pitch = y.pitch(),
          .kernel = w.n,
          .stride = stride,
          .how = how,
          .prologue = prologue,
          .aligned = aligned(x) && aligned(y)};
}

template <class T>
Tensor<std::uint8_t, Cuda> convolution_scratch(Cuda& device, const kernels::Convolution& pass) {
  return {device, per_channel(kernels::convolution_scratch<T>(device.context(), pass)),
          Use::workspace};
}

/// Counts every element of x, w and y once, and of the result once more if it is added to.
template <class T>
Work convolution_work(Shape x, Shape w, Shape y, Shape result, Store how) {
  const Index elements = x.size() + w.size() + y.size() + (how == Store::set ? 0 : result.size());
  return {static_cast<double>(y.pixels() * w.size()),
          static_cast<double>(elements) * static_cast<double>(sizeof(T))};
}

}  // namespace cuda

/// Computes y (set, += or −=) x * w with zero "same" padding. `prologue` is applied to x as it is
/// read.
/// Shapes: x [N,H,W,C], w [k,k,C,K] with k odd, y [N,⌈H/stride⌉,⌈W/stride⌉,K].
/// y must not overlap x.
template <class T>
void conv2d(View<T, Cuda> y, ConstView<T, Cuda> x, ConstView<T, Cuda> w, Index stride,
            const NormActivation<T, Cuda>* prologue = nullptr, Store how = Store::set) {
  const auto pass = cuda::convolution<const T>(kernels::ConvolutionPass::forward, x, y, w.shape(),
                                               stride, how, prologue != nullptr);
  auto scratch = cuda::convolution_scratch<T>(y.device(), pass);
  const Work work = cuda::convolution_work<T>(x.shape(), w.shape(), y.shape(), y.shape(), how);
  y.device().run(work, [&](kernels::Context& on) {
    kernels::convolve<T>(on, pass, y.data(), x.data(), w.data(), cuda::prologue_of(prologue),
                         scratch.data());
  });
}

/// Computes conv2d and channel_moments(y).
/// @pre mean and variance hold one value per channel of y, and y has a pixel.
template <class T>
void conv2d_moments(View<T, Cuda> y, ConstView<T, Cuda> x, ConstView<T, Cuda> w, Index stride,
                    const NormActivation<T, Cuda>* prologue, Store how, View<double, Cuda> mean,
                    View<double, Cuda> variance) {
  conv2d(y, x, w, stride, prologue, how);
  channel_moments(y, mean, variance);
}

/// Computes dx (set, += or −=), the gradient of conv2d's input. dx must not overlap dy.
template <class T>
void conv2d_input_gradient(View<T, Cuda> dx, ConstView<T, Cuda> dy, ConstView<T, Cuda> w,
                           Index stride, Store how = Store::set) {
  const auto pass = cuda::convolution<const T>(kernels::ConvolutionPass::input_gradient, dx, dy,
                                               w.shape(), stride, how, false);
  auto scratch = cuda::convolution_scratch<T>(dx.device(), pass);
  const Work work = cuda::convolution_work<T>(dx.shape(), w.shape(), dy.shape(), dx.shape(), how);
  dx.device().run(work, [&](kernels::Context& on) {
    kernels::convolve_gradient<T>(on, pass, dx.data(), dy.data(), w.data(), scratch.data());
  });
}

/// Computes conv2d_input_gradient and normalise_activate_sums(sums, x, dx, …).
template <class T>
void conv2d_input_gradient_sums(View<T, Cuda> dx, ConstView<T, Cuda> dy, ConstView<T, Cuda> w,
                                Index stride, View<double, Cuda> sums, ConstView<T, Cuda> x,
                                const ChannelNorm<T, Cuda>& norm, Activation activation) {
  conv2d_input_gradient(dx, dy, w, stride);
  normalise_activate_sums(sums, x, dx, norm, activation);
}

/// Adds the gradient of conv2d's weights to dw. `prologue` is applied to x as it is read.
template <class T>
void conv2d_weight_gradient(View<T, Cuda> dw, ConstView<T, Cuda> x, ConstView<T, Cuda> dy,
                            Index stride, const NormActivation<T, Cuda>* prologue = nullptr) {
  const auto pass = cuda::convolution<const T>(kernels::ConvolutionPass::weight_gradient, x, dy,
                                               dw.shape(), stride, Store::add, prologue != nullptr);
  auto scratch = cuda::convolution_scratch<T>(dw.device(), pass);
  const Work work =
      cuda::convolution_work<T>(x.shape(), dw.shape(), dy.shape(), dw.shape(), Store::add);
  dw.device().run(work, [&](kernels::Context& on) {
    kernels::convolve_weight_gradient<T>(on, pass, dw.data(), x.data(), dy.data(),
                                         cuda::prologue_of(prologue), scratch.data());
  });
}

}  // namespace retrace::inline RETRACE_ISA
