// Invertible unpooling from channels: depth to space.
#pragma once

#include "retrace/layer/channel_pooling.hpp"

namespace retrace::inline RETRACE_ISA {

/// Pc⁻¹: y[n,2i+p,2j+q,c] = x[n,i,j,(2p+q)·C+c] for p, q in {0,1}: the sub-pixel shuffle (Shi et
/// al. 2016) and the inverse of ChannelPooling.
///
/// Shapes    x [N,H,W,4C], y [N,2H,2W,C].
/// Inverse   ChannelPooling's forward, bit for bit.
/// Backward  dx is dy permuted as the inverse.
/// Stores    nothing: elements move within two rows of pixels.
template <class T, Device D, class G = T>
class ChannelUnpooling {
 public:
  using State = Tensor<T, D>;
  using Gradient = Tensor<G, D>;
  static constexpr bool volume_preserving = true;

  /// @throws ShapeError if the number of channels is not a multiple of 4.
  Shape output_shape(Shape x) const {
    if (x.c % 4 != 0)
      throw ShapeError("ChannelUnpooling: x is " + to_string(x) +
                       " but its number of channels must be a multiple of 4");
    return {x.n, 2 * x.h, 2 * x.w, x.c / 4};
  }

  void forward(State& x, Run) {
    x.reshape(output_shape(x.shape()));
    channel_unpool(x.view());
  }
  void inverse(State& y, Run) { pool(y); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("ChannelUnpooling", "y", y.shape(), "dy", dy.shape());
    pool(y);
    pool(dy);
  }

  template <class V>
  void inside(V) {}

 private:
  template <class E>
  static void pool(Tensor<E, D>& y) {
    const Shape halves = halved("ChannelUnpooling", y.shape());
    channel_pool(y.view());
    y.reshape(with_channels(halves, 4 * halves.c));
  }
};

}  // namespace retrace::inline RETRACE_ISA
