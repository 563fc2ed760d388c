// The solver of a method.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>

#include "retrace/ode/coupled_runge_kutta.hpp"
#include "retrace/ode/leapfrog.hpp"
#include "retrace/ode/reversible_heun.hpp"
#include "retrace/ode/stochastic_heun.hpp"

namespace retrace::inline RETRACE_ISA {

/// @param draw  the number of the pass, for an equation with noise
template <class T, Device D>
std::unique_ptr<OdeSolver<T, D>> make_solver(const OdeOptions& options, FieldRate<T, D> rate,
                                             std::uint64_t draw) {
  if (options.noise)
    return std::make_unique<StochasticHeun<T, D>>(
        rate, BrownianPath(*options.noise, draw, options.begin, options.end));
  const auto coupled = [&](const Tableau& tableau) {
    return std::make_unique<CoupledRungeKutta<T, D>>(rate, tableau, coupling(options));
  };
  switch (options.method) {
    case OdeMethod::euler:
      return coupled(euler_tableau);
    case OdeMethod::midpoint:
      return coupled(midpoint_tableau);
    case OdeMethod::rk4:
      return coupled(rk4_tableau);
    case OdeMethod::bosh3:
      return coupled(bosh3_tableau);
    case OdeMethod::dopri5:
      return coupled(dopri5_tableau);
    case OdeMethod::leapfrog:
      return std::make_unique<Leapfrog<T, D>>(rate);
    case OdeMethod::reversible_heun:
      return std::make_unique<ReversibleHeun<T, D>>(rate);
  }
  throw std::invalid_argument("make_solver: unknown method");
}

}  // namespace retrace::inline RETRACE_ISA
