// Invertible pooling into the batch: space to batch.
#pragma once

#include "retrace/layer/layer.hpp"
#include "retrace/layer/pooled_shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// Pb: y[4n+2p+q,i,j,c] = x[n,2i+p,2j+q,c] for p, q in {0,1} (Hascoet et al., §3). The four
/// sub-images of an image stay together; a head averages over all of them.
///
/// Shapes    x [N,H,W,C] with H and W even, y [4N,H/2,W/2,C].
/// Inverse   the same permutation backwards, bit for bit.
/// Backward  dx is dy permuted as the inverse.
/// Stores    nothing: elements move within one image.
template <class T, Device D, class G = T>
class BatchPooling {
 public:
  using State = Tensor<T, D>;
  using Gradient = Tensor<G, D>;
  static constexpr bool volume_preserving = true;

  /// @throws ShapeError if H or W is odd.
  Shape output_shape(Shape x) const {
    const Shape pooled = halved("BatchPooling", x);
    return {4 * pooled.n, pooled.h, pooled.w, pooled.c};
  }

  void forward(State& x, Run) {
    const Shape pooled = output_shape(x.shape());
    batch_pool(x.view());
    x.reshape(pooled);
  }
  void inverse(State& y, Run) { unpool(y); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("BatchPooling", "y", y.shape(), "dy", dy.shape());
    unpool(y);
    unpool(dy);
  }

  template <class V>
  void inside(V) {}

 private:
  template <class E>
  static void unpool(Tensor<E, D>& y) {
    const Shape s = y.shape();
    if (s.n % 4 != 0)
      throw ShapeError("BatchPooling: y is " + to_string(s) +
                       " but its number of images must be a multiple of 4");
    y.reshape({s.n / 4, 2 * s.h, 2 * s.w, s.c});
    batch_unpool(y.view());
  }
};

}  // namespace retrace::inline RETRACE_ISA
