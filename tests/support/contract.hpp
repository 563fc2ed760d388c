// The promises of layer/layer.hpp as checks. Each returns what it found wrong, "" if nothing, so
// that a test of a layer says CHECK(check_…(…) == "") and a test of the checks the opposite.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/net/link.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

namespace retrace::test {

/// A layer of any type, so that the checks are compiled once for each element type.
template <class T>
class AnyLayer {
 public:
  using State = Tensor<T, Cpu>;
  using Parameters = ParameterList<T, Cpu>;

  template <Layer L>
  requires(!std::same_as<L, AnyLayer>) AnyLayer(L layer)
      : link_(std::make_unique<LinkTo<L, Parameters>>("layer", std::move(layer))),
        invertible_(Invertible<L>) {}

  void forward(State& x, Run run) { link_->forward(x, run); }
  void inverse(State& y, Run run) { link_->inverse(y, run); }
  void backward(State& y, State& dy) { link_->backward(y, dy); }
  void abandon() { link_->abandon(); }
  void set_mode(Mode mode) { link_->set_mode(mode); }
  bool invertible() const { return invertible_; }
  Parameters parameters() {
    Parameters list;
    link_->collect("", list);
    return list;
  }

 private:
  std::unique_ptr<Link<State, State, Parameters>> link_;
  bool invertible_;
};

/// Gives scales of both signs and away from 0, shifts and running averages that are not those of
/// a new layer. Weights stay as they are.
template <class T>
void randomise(AnyLayer<T>& layer, unsigned seed = 9);

/// What one forward and one backward pass give.
struct PassValues {
  Values y, x, dx;
  std::vector<Values> gradients;  ///< of the parameters, in the order of collect()
  std::vector<Values> buffers;    ///< running averages, after both passes
  Shape y_shape, x_shape, dx_shape;
};

/// Forward, then backward of normally distributed dy. Empties the gradients first.
template <class T>
PassValues pass(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training);

/// inverse undoes forward to within `roundings`, by the batch and by running averages.
template <class T>
std::string check_inverse(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, double roundings);

/// backward gives x back to within `roundings`; with run.restore off the same gradients, bit for
/// bit.
template <class T>
std::string check_backward_restores_input(AnyLayer<T>& layer, const Tensor<T, Cpu>& x,
                                          double roundings, Run run = training);

/// dx and every parameter gradient are the slopes, measured by central differences along random
/// directions, of L = Σ w·y + y²/2 to 1e-7 of their length. A direction along which a step meets
/// a kink is replaced by another.
std::string check_gradients(AnyLayer<double>& layer, const Tensor<double, Cpu>& x,
                            Run run = training);

/// What each gradient leaves of L in the neighbourhood falls with the square of the distance.
std::string check_taylor(AnyLayer<double>& layer, const Tensor<double, Cpu>& x, Run run = training);

/// y, dx and the parameter gradients agree with those of the same layer in double. The parameters
/// and buffers of `reference` become those of `layer`.
std::string check_agreement(AnyLayer<float>& layer, AnyLayer<double>& reference,
                            const Tensor<float, Cpu>& x, double roundings, Run run = training);

/// Two backward passes add up to twice the parameter gradients of one: bit for bit, unless a pass
/// adds in parts.
template <class T>
std::string check_gradients_are_added(AnyLayer<T>& layer, const Tensor<T, Cpu>& x,
                                      Run run = training, double roundings = 0);

/// A training step moves the buffers in forward alone, and neither inference nor a rehearsal of a
/// batch moves them.
template <class T>
std::string check_buffers_move_once(AnyLayer<T>& layer, const Tensor<T, Cpu>& x,
                                    Run run = training);

/// Nothing is held after backward, after abandon() or after inference that was not held before.
template <class T>
std::string check_nothing_is_left(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training);

/// The same bits every time.
template <class T>
std::string check_repeats(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training);

/// Forward and backward take no image at all: shapes are right, gradients stay 0.
template <class T>
std::string check_empty_batch(AnyLayer<T>& layer, Cpu& device, Shape shape, Run run = training);

/// Bytes held for backward between the passes, beside y.
template <class T>
std::size_t kept_bytes(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training);

/// Two results agree: 1e-12 in double, for one and two threads.
std::string compare(const PassValues& a, const PassValues& b, double tolerance);

/// What check_layer may expect, in roundings.
struct Contract {
  double inverse = 0, restored = 0, agreement = 16, added = 0;
  bool random = false;  ///< a batch run draws anew, a replay does not
};

namespace detail {
std::string check_layer(AnyLayer<float> single, AnyLayer<double> exact, AnyLayer<double> threaded,
                        Cpu& one, Cpu& two, const std::vector<Shape>& shapes,
                        const Contract& contract);
}

/// All of the above on batches of these shapes and on an empty one.
/// make.operator()<T>(device) makes the layer, the same one each time.
template <class Make>
std::string check_layer(Make make, const std::vector<Shape>& shapes, const Contract& contract) {
  Cpu one(1), two(2);
  return detail::check_layer(make.template operator()<float>(two),
                             make.template operator()<double>(one),
                             make.template operator()<double>(two), one, two, shapes, contract);
}

}  // namespace retrace::test
