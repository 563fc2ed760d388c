// The log-determinant of a flow, which its layers add up in one pass.
#pragma once

#include <concepts>
#include <string>
#include <type_traits>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// log|det ∂y/∂x| of every image, and the gradient of the loss with respect to it.
///
/// A forward pass adds log|det ∂y/∂x| to `value`, an inverse pass log|det ∂x/∂y|, which is the
/// negative. A backward pass reads `gradient` alone: whatever it recomputes, nothing counts twice.
template <Device D>
struct LogDet {
  Tensor<double, D> value;  ///< [N,1,1,1]
  double gradient = 0;  ///< ∂L/∂value, the same for all images: −1/N for the mean likelihood

  LogDet(D& device, Index images) : value(device, {images, 1, 1, 1}, Use::workspace) {
    fill(value.view(), 0.0);
  }
};

namespace detail {
template <class N>
using DeviceOf =
    std::remove_reference_t<decltype(std::declval<const typename N::State&>().device())>;
}  // namespace detail

/// A layer with |det ∂y/∂x| = 1 for every x, which it says by `volume_preserving = true`.
template <class L>
concept VolumePreserving = Layer<L> && requires {
  requires L::volume_preserving;
};

/// A layer whose passes take a LogDet, null if the caller has none.
template <class L>
concept HasLogDet = Layer<L> &&
    requires(L layer, typename L::State& x, typename L::Gradient& dy, Run run,
             LogDet<detail::DeviceOf<L>>* sum, const LogDet<detail::DeviceOf<L>>* given) {
  layer.forward(x, run, sum);
  layer.inverse(x, run, sum);
  layer.backward(x, dy, given);
};

/// Throws StateError unless `node` can be a layer of a flow. A chain checks each of its layers.
template <class N>
void require_log_det(const N& node) {
  if constexpr (requires { node.require_log_det(); })
    node.require_log_det();
  else if constexpr (!VolumePreserving<N> && !HasLogDet<N>)
    throw StateError(
        "the layer has no log-determinant, but every layer of a flow must preserve volumes or take "
        "a LogDet");
}

/// Throws ShapeError unless the log-determinants are those of the images of x.
template <Device D>
void require_images(const LogDet<D>& log_det, Shape x) {
  if (log_det.value.shape() != Shape{x.n, 1, 1, 1})
    throw ShapeError("the log-determinants have shape " + to_string(log_det.value.shape()) +
                     " but x is " + to_string(x) + ": it must be " +
                     to_string(Shape{x.n, 1, 1, 1}));
}

}  // namespace retrace::inline RETRACE_ISA
