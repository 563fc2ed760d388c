// Invertible pooling into channels: space to depth.
#pragma once

#include "retrace/layer/layer.hpp"
#include "retrace/layer/pooled_shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// Pc: y[n,i,j,(2p+q)·C+c] = x[n,2i+p,2j+q,c] for p, q in {0,1} (i-RevNet, Jacobsen et al. 2018).
///
/// Shapes    x [N,H,W,C] with H and W even, y [N,H/2,W/2,4C].
/// Inverse   the same permutation backwards, bit for bit.
/// Backward  dx is dy permuted as the inverse.
/// Stores    nothing: elements move within two rows of pixels.
template <class T, Device D, class G = T>
class ChannelPooling {
 public:
  using State = Tensor<T, D>;
  using Gradient = Tensor<G, D>;
  static constexpr bool volume_preserving = true;

  /// @throws ShapeError if H or W is odd.
  Shape output_shape(Shape x) const {
    const Shape pooled = halved("ChannelPooling", x);
    return with_channels(pooled, 4 * pooled.c);
  }

  void forward(State& x, Run) {
    const Shape pooled = output_shape(x.shape());
    channel_pool(x.view());
    x.reshape(pooled);
  }
  void inverse(State& y, Run) { unpool(y); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("ChannelPooling", "y", y.shape(), "dy", dy.shape());
    unpool(y);
    unpool(dy);
  }

  template <class V>
  void inside(V) {}

 private:
  template <class E>
  static void unpool(Tensor<E, D>& y) {
    const Shape s = y.shape();
    if (s.c % 4 != 0)
      throw ShapeError("ChannelPooling: y is " + to_string(s) +
                       " but its number of channels must be a multiple of 4");
    y.reshape({s.n, 2 * s.h, 2 * s.w, s.c / 4});
    channel_unpool(y.view());
  }
};

}  // namespace retrace::inline RETRACE_ISA
