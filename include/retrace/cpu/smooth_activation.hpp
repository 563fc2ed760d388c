// Smooth activations on the host.
#pragma once

#include "retrace/core/store.hpp"
#include "retrace/cpu/elementwise.hpp"
#include "retrace/cpu/exponential.hpp"
#include "retrace/math/smooth_activation.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu::detail {

/// Calls body.operator()<activation>() for the activation.
template <class Body>
void with_activation(SmoothActivation activation, Body body) {
  switch (activation) {
    case SmoothActivation::tanh:
      return body.template operator()<SmoothActivation::tanh>();
    case SmoothActivation::elu:
      return body.template operator()<SmoothActivation::elu>();
    case SmoothActivation::lipswish:
      return body.template operator()<SmoothActivation::lipswish>();
  }
}

/// Calls body.operator()<activation, W>(pixel, channel) for all elements, by vectors of W.
template <class T, class Body>
void for_each_smooth(View<T, Cpu> x, double tensors, SmoothActivation activation, Body body) {
  constexpr double multiply_adds = 16;  // of one element
  const Shape shape = x.shape();
  Work work = sweep_work<T>(shape, tensors);
  work.multiply_adds = multiply_adds * static_cast<double>(shape.size());
  with_activation(activation, [&]<SmoothActivation which>() {
    for_each_tile_block<T>(x.device(), shape, work,
                           [=]<int W>(Index first, Index last, Index channel) {
                             for (Index p = first; p < last; ++p)
                               body.template operator()<which, W>(p, channel);
                           });
  });
}

}  // namespace cpu::detail

/// y =, += or −= f(x). y may be x.
template <class T>
void smooth_activation(View<T, Cpu> y, ConstView<T, Cpu> x, SmoothActivation activation,
                       Store how) {
  require_same_shape("smooth_activation", "y", y.shape(), "x", x.shape());
  const auto timed = y.device().timed(Operation::normalisation);
  cpu::detail::for_each_smooth(
      y, 2, activation, [=]<SmoothActivation which, int W>(Index p, Index channel) {
        const auto value = math::smooth_value<which>(
            cpu::load<W>(x.pixel(p) + channel), cpu::exponential_less_one<T, cpu::Block<T, W>>);
        cpu::store_block<W>(y.pixel(p) + channel, value, how);
      });
}

/// dx =, += or −= f′(x)·dy. dx may be dy.
template <class T>
void smooth_activation_gradient(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> dy,
                                SmoothActivation activation, Store how) {
  require_same_shape("smooth_activation_gradient", "x", x.shape(), "dy", dy.shape());
  const auto timed = dx.device().timed(Operation::normalisation);
  cpu::detail::for_each_smooth(
      dx, 3, activation, [=]<SmoothActivation which, int W>(Index p, Index channel) {
        const auto at = math::smooth_derivatives<which>(
            cpu::load<W>(x.pixel(p) + channel), cpu::exponential_less_one<T, cpu::Block<T, W>>);
        cpu::store_block<W>(dx.pixel(p) + channel, at.first * cpu::load<W>(dy.pixel(p) + channel),
                            how);
      });
}

/// dx =, += or −= f″(x)·u·dw, a part of the gradient of the tangent w = f′(x)·u.
template <class T>
void smooth_activation_curvature(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> u,
                                 ConstView<T, Cpu> dw, SmoothActivation activation, Store how) {
  require_same_shape("smooth_activation_curvature", "x", x.shape(), "u", u.shape());
  const auto timed = dx.device().timed(Operation::normalisation);
  cpu::detail::for_each_smooth(
      dx, 4, activation, [=]<SmoothActivation which, int W>(Index p, Index channel) {
        const auto at = math::smooth_derivatives<which>(
            cpu::load<W>(x.pixel(p) + channel), cpu::exponential_less_one<T, cpu::Block<T, W>>);
        const auto both = cpu::load<W>(u.pixel(p) + channel) * cpu::load<W>(dw.pixel(p) + channel);
        cpu::store_block<W>(dx.pixel(p) + channel, at.second * both, how);
      });
}

}  // namespace retrace::inline RETRACE_ISA
