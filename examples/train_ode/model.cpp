#include "model.hpp"

#include <cmath>
#include <utility>

#include "retrace/cpu/operations.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/smooth.hpp"
#include "retrace/layer/time_shift.hpp"

using namespace retrace;

namespace {

using LinearLayer = Linear<float, Cpu>;

StageSequence<float, Cpu> make_field(Cpu& device, Index state, Index hidden, Random& random) {
  StageSequence<float, Cpu> field;
  field.add("linear0", LinearLayer(device, state, hidden, random, 0.7));
  field.add("time", TimeShift<float, Cpu>(device, hidden, random));
  field.add("tanh0", Tanh<float, Cpu>());
  field.add("linear1", LinearLayer(device, hidden, state, random, 0.7));
  return field;
}

OdeOptions ode_options(const Options& options) {
  OdeOptions ode{.method = options.method,
                 .steps = options.steps_per_row,
                 .coupling = options.coupling,
                 .least_decibels = 60};
  if (options.tolerance > 0)
    ode.adaptive = OdeTolerance{options.tolerance, options.tolerance * 0.01};
  return ode;
}

}  // namespace

double SquaredError::root() const { return std::sqrt(sum / std::max(count, 1.0)); }

Model::Model(Cpu& device, Index inputs, Index columns, const Options& options)
    : ode_(StageSequence<float, Cpu>(), ode_options(options)) {
  Random random(options.seed, substream("weights"));
  encoder_.add("linear0", LinearLayer(device, inputs, options.hidden, random, 0.7))
      .add("tanh", Tanh<float, Cpu>())
      .add("linear1", LinearLayer(device, options.hidden, options.state, random, 0.7));
  ode_ = OdeBlock<float, Cpu>(make_field(device, options.state, options.hidden, random),
                              ode_options(options));
  inside::set_mode(ode_, options.mode);
  decoder_.add("linear", LinearLayer(device, options.state, columns, random, 0.5));
}

SquaredError Model::error(const Tensor<float, Cpu>& y, const WindowBatch& batch) {
  SquaredError error;
  for (std::size_t i = 0; i < batch.target.size(); ++i) {
    const double distance = batch.known[i] * (y.data()[i] - batch.target[i]);
    error.sum += distance * distance;
    error.count += batch.known[i];
  }
  return error;
}

SquaredError Model::accumulate_gradients(WindowBatch batch) {
  Tensor<float, Cpu> x = std::move(batch.input);
  encoder_.forward(x, training);
  ode_.set_times(batch.times);
  ode_.forward(x, training);
  decoder_.forward(x, training);
  const SquaredError error = Model::error(x, batch);
  Tensor<float, Cpu> dy(x.device(), x.shape(), Use::gradient);
  for (std::size_t i = 0; i < batch.target.size(); ++i)
    dy.data()[i] = static_cast<float>(2 / std::max(error.count, 1.0)) * batch.known[i] *
                   (x.data()[i] - batch.target[i]);
  decoder_.backward(x, dy);
  ode_.backward(x, dy);
  encoder_.backward(x, dy);
  return error;
}

Tensor<float, Cpu> Model::predict(const WindowBatch& batch) {
  Tensor<float, Cpu> x = clone(batch.input);
  encoder_.forward(x, inference);
  ode_.set_times(batch.times);
  ode_.forward(x, inference);
  decoder_.forward(x, inference);
  return x;
}

ParameterList<float, Cpu> Model::parameters() {
  ParameterList<float, Cpu> list;
  encoder_.collect("encoder", list);
  inside::collect(ode_, "field", list);
  decoder_.collect("decoder", list);
  return list;
}
