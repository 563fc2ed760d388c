// Estimates of log|det(I + J)| for the Jacobian J of a contraction.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "retrace/core/addend.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/math/philox.hpp"
#include "retrace/net/stage_sequence.hpp"

namespace retrace::inline RETRACE_ISA {

/// How a residual layer finds its log-determinant.
enum class LogDetMethod {
  series,    ///< `terms` terms of the power series: biased
  roulette,  ///< `terms` terms, and more of them by chance: unbiased (Chen et al. 2019)
  exact,     ///< the whole Jacobian, for small shapes
};

/// The number of terms of a series, and the factor of each. log det(I + J) = Σ_k (−1)^{k+1}/k·tr
/// J^k.
///
/// By roulette, the series ends after `terms` + N terms with P(N ≥ n) = 2^−n, and term `terms` + n
/// is multiplied by 2^n.
inline std::vector<double> series_factors(LogDetMethod method, int terms, Random& random) {
  std::vector<double> factors(static_cast<std::size_t>(terms), 1.0);
  if (method == LogDetMethod::roulette)
    for (double factor = 2; random.uniform() < 0.5; factor *= 2) factors.push_back(factor);
  return factors;
}

/// ε: independent signs, so that E[ε·εᵀ] = I (Hutchinson 1990).
template <class T, Device D>
Tensor<T, D> random_signs(D& device, Shape shape, Random& random) {
  Tensor<T, D> signs(device, shape, Use::workspace);
  if (device.dry()) return signs;
  std::vector<T> values(static_cast<std::size_t>(shape.size()));
  for (T& value : values) value = random() & 1u ? T(1) : T(-1);
  upload(signs.view(), std::span<const T>(values));
  return signs;
}

/// log det(I + J) of each image, estimated from the tape of g at x.
template <class T, Device D>
void add_series(View<double, D> sums, StageSequence<T, D>& g, View<const T, D> x,
                const typename StageSequence<T, D>::Tape& tape, const Tensor<T, D>& signs,
                std::span<const double> factors, double sign) {
  Tensor<T, D> w = clone(signs, Use::workspace), next(x.device(), x.shape(), Use::workspace);
  double alternating = 1;
  for (std::size_t k = 0; k < factors.size(); ++k, alternating = -alternating) {
    g.tangent(next.view(), x, w.view(), tape);
    std::swap(w, next);
    add_inner_products(sums, signs.view(), std::as_const(w).view(),
                       sign * alternating * factors[k] / static_cast<double>(k + 1));
  }
}

/// Adds `share` times the gradient of the log-determinants to dx and to the parameters: with the
/// Neumann series v = Σ_k (−1)^k·(Jᵀ)^k·ε it is that of vᵀ·J·ε (Chen et al. 2019, §3.2), whose
/// memory does not depend on the number of terms.
template <class T, Device D>
void add_series_gradient(View<T, D> dx, StageSequence<T, D>& g, View<const T, D> x,
                         typename StageSequence<T, D>::Tape& tape, const Tensor<T, D>& signs,
                         std::span<const double> factors, double share) {
  D& device = dx.device();
  Tensor<T, D> v(device, x.shape(), Use::workspace), power = clone(signs, Use::workspace);
  fill(v.view(), T(0));
  {
    ParameterList<T, D> list;
    g.collect("", list);
    AddsGuard<T, D> adds(list);
    adds.set_all(Adds::none);
    double alternating = share;
    for (std::size_t k = 0; k < factors.size(); ++k, alternating = -alternating) {
      const Addend<T, D> terms[]{{1, std::as_const(v).view()},
                                 {alternating * factors[k], std::as_const(power).view()}};
      combine(v.view(), std::span<const Addend<T, D>>(terms));
      if (k + 1 == factors.size()) break;
      Tensor<T, D> next(device, x.shape(), Use::workspace);
      g.gradient(x, std::as_const(power).view(), next.view(), tape, Store::set, /*consumes=*/false);
      power = std::move(next);
    }
  }
  typename StageSequence<T, D>::Tape tangents;
  Tensor<T, D> w(device, x.shape(), Use::workspace), du(device, x.shape(), Use::workspace);
  g.tangent(w.view(), x, signs.view(), tape, &tangents);
  g.tangent_gradient(x, signs.view(), std::as_const(v).view(), dx, du.view(), tape, tangents);
}

}  // namespace retrace::inline RETRACE_ISA
