// A fixed bijection of every element.
#pragma once

#include <optional>

#include "retrace/layer/log_det.hpp"
#include "retrace/math/logit_maps.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = m(x) for every element, with a map m without parameters, such as maps::Sigmoid or
/// maps::Logit.
///
/// Shapes    any [N,H,W,C].
/// Inverse   x = m⁻¹(y).
/// Backward  of m at the reconstructed x.
/// Log-det   Σ log|m′(x)|.
/// Stores    nothing.
template <class T, Device D, class Map>
class ElementMap {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  explicit ElementMap(const Map& map = {}) : map_(map) {
    if constexpr (requires { map_.require(); }) map_.require();
  }

  Shape output_shape(Shape x) const { return x; }

  void forward(State& x, Run, LogDet<D>* log_det = nullptr) {
    map_elements(x.view(), nothing(x), map_, Pixels::all, sums(log_det));
  }
  void inverse(State& y, Run, LogDet<D>* log_det = nullptr) {
    unmap_elements(y.view(), nothing(y), map_, Pixels::all, sums(log_det));
  }
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    require_same_shape("ElementMap", "y", y.shape(), "dy", dy.shape());
    unmap_elements(y.view(), nothing(y), map_, Pixels::all, sums(nullptr));
    map_elements_backward(dy.view(), y.view(), View<T, D>(y.device(), nullptr, none(y), 0), map_,
                          Pixels::all, log_det ? log_det->gradient : 0);
  }

  template <class V>
  void inside(V) {}

 private:
  static Shape none(const State& x) { return with_channels(x.shape(), 0); }
  static View<const T, D> nothing(const State& x) { return {x.device(), nullptr, none(x), 0}; }
  static std::optional<View<double, D>> sums(LogDet<D>* log_det) {
    return log_det ? std::optional(log_det->value.view()) : std::nullopt;
  }

  Map map_;
};

}  // namespace retrace::inline RETRACE_ISA
