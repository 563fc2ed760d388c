// The encoder, the differential equation and the decoder.
#pragma once

#include <string>

#include "options.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/ode/ode_block.hpp"
#include "windows.hpp"

/// Σ (y − target)² over known values, and their number.
struct SquaredError {
  double sum = 0, count = 0;

  SquaredError& operator+=(const SquaredError& other) {
    sum += other.sum;
    count += other.count;
    return *this;
  }
  double root() const;
};

/// y = decoder(x(t_1) … x(t_K)) with dx/dt = f(t, x) and x(0) = encoder(context).
class Model {
 public:
  Model(retrace::Cpu& device, retrace::Index inputs, retrace::Index columns,
        const Options& options);

  /// Adds the gradients of the mean squared error.
  SquaredError accumulate_gradients(WindowBatch batch);
  /// Returns the predictions, [horizon·B,1,1,columns].
  retrace::Tensor<float, retrace::Cpu> predict(const WindowBatch& batch);
  static SquaredError error(const retrace::Tensor<float, retrace::Cpu>& y,
                            const WindowBatch& batch);

  void set_mode(retrace::Mode mode) { retrace::inside::set_mode(ode_, mode); }
  retrace::ParameterList<float, retrace::Cpu> parameters();
  /// The steps of the last solve, in units of the rows to predict.
  const retrace::StepTimes& steps() const { return ode_.steps(); }
  /// How exactly the last backward pass has reconstructed the state, in decibels.
  std::optional<double> decibels() const { return ode_.decibels(); }

 private:
  using Net = retrace::Chain<float, retrace::Cpu>;

  Net encoder_, decoder_;
  retrace::OdeBlock<float, retrace::Cpu> ode_;
};
