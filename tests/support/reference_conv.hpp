// Convolutions by definition: loops in double over every pixel, tap and channel.
#pragma once

#include "support/tensors.hpp"

namespace retrace::test {

/// A tensor in double, indexed by its four axes.
struct Reference {
  Shape shape;
  Values list;

  explicit Reference(Shape extents)
      : shape(extents), list(static_cast<std::size_t>(extents.size()), 0.0) {}
  template <class T>
  explicit Reference(View<T, Cpu> x) : shape(x.shape()), list(values(x)) {}

  double& at(Index n, Index h, Index w, Index c) {
    return list[static_cast<std::size_t>(((n * shape.h + h) * shape.w + w) * shape.c + c)];
  }
  double at(Index n, Index h, Index w, Index c) const {
    return list[static_cast<std::size_t>(((n * shape.h + h) * shape.w + w) * shape.c + c)];
  }
};

/// Calls body(n, i, j, h, w, ky, kx) for every output pixel (i, j) of x [N,H,W,C] and every tap of
/// a k x k kernel whose input pixel (h, w) exists.
template <class Body>
void for_each_tap(Shape x, Index kernel, Index stride, Body body) {
  for (Index n = 0; n < x.n; ++n)
    for (Index i = 0; i * stride < x.h; ++i)
      for (Index j = 0; j * stride < x.w; ++j)
        for (Index ky = 0; ky < kernel; ++ky)
          for (Index kx = 0; kx < kernel; ++kx) {
            const Index h = i * stride + ky - kernel / 2, w = j * stride + kx - kernel / 2;
            if (h >= 0 && h < x.h && w >= 0 && w < x.w) body(n, i, j, h, w, ky, kx);
          }
}

inline Shape reference_conv_shape(Shape x, Index outputs, Index stride) {
  return {x.n, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride, outputs};
}

inline Reference reference_conv(const Reference& x, const Reference& w, Index stride) {
  Reference y(reference_conv_shape(x.shape, w.shape.c, stride));
  for_each_tap(x.shape, w.shape.n, stride,
               [&](Index n, Index i, Index j, Index h, Index v, Index ky, Index kx) {
                 for (Index c = 0; c < w.shape.w; ++c)
                   for (Index k = 0; k < w.shape.c; ++k)
                     y.at(n, i, j, k) += x.at(n, h, v, c) * w.at(ky, kx, c, k);
               });
  return y;
}

inline Reference reference_input_gradient(Shape x, const Reference& dy, const Reference& w,
                                          Index stride) {
  Reference dx(x);
  for_each_tap(x, w.shape.n, stride,
               [&](Index n, Index i, Index j, Index h, Index v, Index ky, Index kx) {
                 for (Index c = 0; c < w.shape.w; ++c)
                   for (Index k = 0; k < w.shape.c; ++k)
                     dx.at(n, h, v, c) += dy.at(n, i, j, k) * w.at(ky, kx, c, k);
               });
  return dx;
}

inline Reference reference_weight_gradient(Shape w, const Reference& x, const Reference& dy,
                                           Index stride) {
  Reference dw(w);
  for_each_tap(x.shape, w.n, stride,
               [&](Index n, Index i, Index j, Index h, Index v, Index ky, Index kx) {
                 for (Index c = 0; c < w.w; ++c)
                   for (Index k = 0; k < w.c; ++k)
                     dw.at(ky, kx, c, k) += x.at(n, h, v, c) * dy.at(n, i, j, k);
               });
  return dw;
}

/// Random coefficients of a normalisation, and the input of a convolution after it.
template <class T>
struct RandomNorm {
  Tensor<T, Cpu> mean, inverse_deviation, scale, shift;

  RandomNorm(Cpu& device, Index channels, unsigned seed = 50)
      : mean(normal<T>(device, per_channel(channels), seed)),
        inverse_deviation(normal<T>(device, per_channel(channels), seed + 1)),
        scale(normal<T>(device, per_channel(channels), seed + 2)),
        shift(normal<T>(device, per_channel(channels), seed + 3)) {
    for (Index c = 0; c < channels; ++c)
      inverse_deviation.data()[c] = T(0.5) + std::abs(inverse_deviation.data()[c]);
  }
  ChannelNorm<T, Cpu> view() const {
    return {mean.view(), inverse_deviation.view(), scale.view(), shift.view()};
  }
  NormActivation<T, Cpu> prologue(Activation activation) const { return {view(), activation}; }

  template <class U>
  Reference applied(View<U, Cpu> x, Activation activation) const {
    Reference u(x);
    const Values s = values(scale), b = values(shift);
    for (std::size_t i = 0; i < u.list.size(); ++i) {
      const std::size_t c = i % s.size();
      const double value = s[c] * u.list[i] + b[c];
      u.list[i] = value > 0 ? value : activation.slope * value;
    }
    return u;
  }
};

}  // namespace retrace::test
