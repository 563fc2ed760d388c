#include "support/contract.hpp"

#include <optional>

namespace retrace::test {
namespace {

std::string text(double number) {
  std::string digits(32, '\0');
  const int length = std::snprintf(digits.data(), digits.size(), "%.3g", number);
  digits.resize(static_cast<std::size_t>(length));
  return digits;
}

std::string too_far(const std::string& what, double distance, double allowed) {
  if (distance <= allowed) return "";
  return what + " is off by " + text(distance) + " roundings, allowed are " + text(allowed) + "\n";
}

template <class T>
std::vector<Values> gradients(AnyLayer<T>& layer) {
  std::vector<Values> list;
  for (auto& named : layer.parameters().parameters)
    list.push_back(values(named.parameter->gradient));
  return list;
}

template <class T>
std::vector<Values> buffers(AnyLayer<T>& layer) {
  std::vector<Values> list;
  for (auto& named : layer.parameters().buffers) list.push_back(values(*named.tensor));
  return list;
}

bool same_bits(const std::vector<Values>& a, const std::vector<Values>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Values& x, const Values& y) { return test::same_bits(x, y); });
}

/// L = Σ w·y + y²/2 of a layer's output, around a point that can be moved.
class Loss {
 public:
  Loss(AnyLayer<double>& layer, const Tensor<double, Cpu>& x, Run run)
      : layer_(layer), x_(clone(x)), run_(run), parameters_(layer.parameters()) {
    evaluate();
    Tensor<double, Cpu> state = clone(x_);
    layer_.forward(state, run_);
    const Values y = values(state);
    Values slopes(y.size());
    for (std::size_t i = 0; i < y.size(); ++i) slopes[i] = weights_[i] + y[i];
    auto gradient = tensor<double>(x_.device(), state.shape(), slopes, Use::gradient);
    parameters_.zero_gradients();
    layer_.backward(state, gradient);
    points_.push_back({"dx", x_.view(), values(gradient)});
    for (auto& named : parameters_.parameters)
      points_.push_back({"the gradient of " + named.name, named.parameter->value.view(),
                         values(named.parameter->gradient)});
  }

  /// A tensor L depends on, and ∂L/∂ of it.
  struct Point {
    std::string name;
    View<double, Cpu> at;
    Values gradient;
    double length() const { return std::sqrt(dot(gradient, gradient)); }
  };
  const std::vector<Point>& points() const { return points_; }

  /// L where that point has been moved by `step` along `direction`.
  double moved(const Point& point, const Values& direction, double step) {
    const Values before = values(point.at);
    Values there = before;
    for (std::size_t k = 0; k < there.size(); ++k) there[k] += step * direction[k];
    assign(point.at, there);
    const double loss = evaluate();
    assign(point.at, before);
    return loss;
  }

 private:
  double evaluate() {
    Tensor<double, Cpu> state = clone(x_);
    Run run = run_;
    run.keep = run.update_running = false;
    layer_.forward(state, run);
    if (weights_.empty()) weights_ = normal_values(state.shape().size(), 3);
    const Values y = values(state);
    return dot(weights_, y) + dot(y, y) / 2;
  }

  AnyLayer<double>& layer_;
  Tensor<double, Cpu> x_;
  Run run_;
  ParameterList<double, Cpu> parameters_;
  Values weights_;
  std::vector<Point> points_;
};

/// L along one line through a point.
class Line {
 public:
  Line(Loss& loss, std::size_t index, unsigned seed)
      : loss_(loss),
        point_(loss.points()[index]),
        direction_(normal_values(point_.at.shape().size(), seed)) {}

  double at(double step) { return loss_.moved(point_, direction_, step); }
  double central_difference(double step) { return (at(step) - at(-step)) / (2 * step); }
  /// Whether no kink lies within the step: then halving it changes next to nothing.
  bool smooth(double step) {
    return std::abs(central_difference(step) - central_difference(step / 2)) <=
           1e-7 * point_.length() + 1e-12;
  }
  /// ∂L/∂step by the gradient.
  double slope() const { return dot(direction_, point_.gradient); }
  double length() const { return point_.length(); }

 private:
  Loss& loss_;
  const Loss::Point& point_;
  Values direction_;
};

/// The first of a few random lines that is smooth within the step.
std::optional<Line> smooth_line(Loss& loss, std::size_t index, unsigned seed, double step) {
  for (unsigned attempt = 0; attempt < 8; ++attempt)
    if (Line line(loss, index, seed + attempt); line.smooth(step)) return line;
  return std::nullopt;
}

}  // namespace

template <class T>
void randomise(AnyLayer<T>& layer, unsigned seed) {
  const auto ends_with = [](const std::string& name, const std::string& end) {
    return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
  };
  auto list = layer.parameters();
  for (auto& named : list.parameters) {
    Values drawn = normal_values(named.parameter->value.shape().size(), seed++);
    if (ends_with(named.name, "gamma"))
      for (double& value : drawn) value = (value < 0 ? -0.5 : 0.5) + value / 4;
    else if (ends_with(named.name, "beta") || ends_with(named.name, "bias"))
      for (double& value : drawn) value /= 2;
    else
      continue;
    assign(named.parameter->value.view(), drawn);
  }
  for (auto& named : list.buffers) {
    Values drawn = normal_values(named.tensor->shape().size(), seed++);
    for (double& value : drawn)
      value = ends_with(named.name, "variance") ? 0.5 + std::abs(value) : value / 2;
    assign(named.tensor->view(), drawn);
  }
}

template <class T>
PassValues pass(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run) {
  layer.parameters().zero_gradients();
  Tensor<T, Cpu> state = clone(x);
  layer.forward(state, run);
  PassValues result;
  result.y = values(state);
  result.y_shape = state.shape();
  auto gradient = normal<T>(x.device(), state.shape(), 2, Use::gradient);
  layer.backward(state, gradient);
  result.x = values(state);
  result.x_shape = state.shape();
  result.dx = values(gradient);
  result.dx_shape = gradient.shape();
  result.gradients = gradients(layer);
  result.buffers = buffers(layer);
  return result;
}

template <class T>
std::string check_inverse(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, double roundings) {
  std::string wrong;
  for (Run run : {training, inference}) {
    const std::string name = run == training ? "inverse by the batch" : "inverse by the averages";
    Tensor<T, Cpu> state = clone(x);
    layer.forward(state, run);
    const auto before = buffers(layer);
    layer.inverse(state, run);
    layer.abandon();
    if (state.shape() != x.shape())
      wrong += name + " gives a " + to_string(state.shape()) + "\n";
    else
      wrong += too_far(name, distance_in_roundings<T>(values(state), values(x)), roundings);
    if (!same_bits(buffers(layer), before)) wrong += name + " moves a buffer\n";
  }
  return wrong;
}

template <class T>
std::string check_backward_restores_input(AnyLayer<T>& layer, const Tensor<T, Cpu>& x,
                                          double roundings, Run run) {
  const PassValues full = pass(layer, x, run);
  if (full.x_shape != x.shape()) return "backward restores a " + to_string(full.x_shape) + "\n";
  if (full.dx_shape != x.shape()) return "dx is " + to_string(full.dx_shape) + "\n";
  std::string wrong =
      too_far("the restored input", distance_in_roundings<T>(full.x, values(x)), roundings);

  Run careless = run;
  careless.restore = false;
  const PassValues without = pass(layer, x, careless);
  if (without.dx_shape != x.shape())
    wrong += "without restore, backward gives a dx of " + to_string(without.dx_shape) + "\n";
  if (!test::same_bits(without.dx, full.dx) || !same_bits(without.gradients, full.gradients))
    wrong += "without restore, the gradients are others\n";
  return wrong;
}

std::string check_gradients(AnyLayer<double>& layer, const Tensor<double, Cpu>& x, Run run) {
  constexpr double step = 1e-5, tolerance = 1e-7;
  Loss loss(layer, x, run);
  std::string wrong;
  for (std::size_t i = 0; i < loss.points().size(); ++i)
    for (unsigned direction = 0; direction < 3; ++direction) {
      auto line = smooth_line(loss, i, 4 + 10 * direction, step);
      if (!line) {
        wrong += loss.points()[i].name + ": every step meets a kink\n";
        break;
      }
      const double measured = line->central_difference(step / 2);
      if (!(std::abs(line->slope() - measured) <= tolerance * line->length() + 1e-12))
        wrong += loss.points()[i].name + " is " + text(line->slope()) +
                 " along a line, but the slope is " + text(measured) + " (relative error " +
                 text(std::abs(line->slope() - measured) / line->length()) + ")\n";
    }
  return wrong;
}

std::string check_taylor(AnyLayer<double>& layer, const Tensor<double, Cpu>& x, Run run) {
  constexpr double step = 3e-5;
  Loss loss(layer, x, run);
  const double here =
      loss.moved(loss.points()[0], Values(loss.points()[0].gradient.size(), 0.0), 0);
  std::string wrong;
  for (std::size_t i = 0; i < loss.points().size(); ++i) {
    // Along some lines the second order is small beside the third, so a few are tried; what a
    // wrong gradient leaves falls with the first order along all of them.
    double order = 0;
    for (unsigned attempt = 0; attempt < 4 && std::abs(order - 2) > 0.01; ++attempt) {
      auto line = smooth_line(loss, i, 5 + 10 * attempt, step);
      if (!line) break;
      const auto remainder = [&](double by) {
        return std::abs(line->at(by) - here - by * line->slope());
      };
      const double far = remainder(step), half = remainder(step / 2), near = remainder(step / 4);
      const double first = std::log2(far / half), second = std::log2(half / near);
      order = std::abs(first - 2) > std::abs(second - 2) ? first : second;
      if (far <= 1e-14 * (1 + std::abs(here))) order = 2;  // no remainder at all is right as well
    }
    if (order == 0)
      wrong += loss.points()[i].name + ": every step meets a kink\n";
    else if (!(std::abs(order - 2) <= 0.01))
      wrong += "what " + loss.points()[i].name + " leaves falls with the power " + text(order) +
               " instead of 2\n";
  }
  return wrong;
}

std::string check_agreement(AnyLayer<float>& layer, AnyLayer<double>& reference,
                            const Tensor<float, Cpu>& x, double roundings, Run run) {
  auto from = layer.parameters();
  auto to = reference.parameters();
  for (std::size_t i = 0; i < from.parameters.size(); ++i)
    assign(to.parameters[i].parameter->value.view(), values(from.parameters[i].parameter->value));
  for (std::size_t i = 0; i < from.buffers.size(); ++i)
    assign(to.buffers[i].tensor->view(), values(*from.buffers[i].tensor));

  const PassValues single = pass(layer, x, run);
  const PassValues exact = pass(reference, tensor<double>(x.device(), x.shape(), values(x)), run);
  const auto compared = [&](const std::string& what, const Values& a, const Values& b) {
    return too_far(what + " in float", distance_in_roundings<float>(a, b), roundings);
  };
  std::string wrong = compared("y", single.y, exact.y) + compared("dx", single.dx, exact.dx);
  for (std::size_t i = 0; i < exact.gradients.size(); ++i)
    wrong += compared("the gradient of " + from.parameters[i].name, single.gradients[i],
                      exact.gradients[i]);
  for (std::size_t i = 0; i < exact.buffers.size(); ++i)
    wrong += compared(from.buffers[i].name, single.buffers[i], exact.buffers[i]);
  return wrong;
}

template <class T>
std::string check_gradients_are_added(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run,
                                      double roundings) {
  const PassValues once = pass(layer, x, run);
  Tensor<T, Cpu> state = clone(x);
  layer.forward(state, run);
  auto gradient = normal<T>(x.device(), state.shape(), 2, Use::gradient);
  layer.backward(state, gradient);
  std::string wrong;
  const std::vector<Values> added = gradients(layer);
  for (std::size_t i = 0; i < added.size(); ++i) {
    Values twice = once.gradients[i];
    for (double& value : twice) value *= 2;
    wrong += too_far("gradient " + std::to_string(i) + ", added to,",
                     distance_in_roundings<T>(added[i], twice), roundings);
  }
  return wrong;
}

template <class T>
std::string check_buffers_move_once(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run) {
  std::string wrong;
  const auto new_layer = buffers(layer);
  for (Run quiet : {inference, Run{run.statistics, false, false}}) {
    Tensor<T, Cpu> state = clone(x);
    layer.forward(state, quiet);
    if (!same_bits(buffers(layer), new_layer)) wrong += "a run that may not moves a buffer\n";
  }
  Tensor<T, Cpu> state = clone(x);
  layer.forward(state, run);
  const auto after_forward = buffers(layer);
  if (!new_layer.empty() && same_bits(after_forward, new_layer))
    wrong += "a training pass moves no buffer\n";
  auto gradient = normal<T>(x.device(), state.shape(), 2, Use::gradient);
  layer.backward(state, gradient);
  if (!same_bits(buffers(layer), after_forward)) wrong += "backward moves a buffer\n";
  return wrong;
}

template <class T>
std::string check_nothing_is_left(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run) {
  MemoryMeter& memory = x.device().memory();
  const Bytes before = memory.live();
  std::string wrong;
  pass(layer, x, run);
  if (memory.live() != before) wrong += "after backward something is still held\n";
  {
    Tensor<T, Cpu> state = clone(x);
    layer.forward(state, run);
  }
  layer.abandon();
  if (memory.live() != before) wrong += "abandon leaves something\n";
  for (bool after_training : {false, true}) {
    Tensor<T, Cpu> state = clone(x);
    if (after_training) layer.forward(state, run), state = clone(x);
    layer.forward(state, inference);
    state = clone(x);
    Bytes with_x = before;
    with_x[Use::activation] += static_cast<std::size_t>(x.shape().size()) * sizeof(T);
    if (memory.live() != with_x)
      wrong += after_training ? "inference leaves what training had kept\n"
                              : "inference keeps something\n";
  }
  layer.abandon();
  return wrong;
}

template <class T>
std::string check_repeats(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run) {
  const PassValues first = pass(layer, x, run), second = pass(layer, x, run);
  const bool same = test::same_bits(first.y, second.y) && test::same_bits(first.x, second.x) &&
                    test::same_bits(first.dx, second.dx) &&
                    same_bits(first.gradients, second.gradients);
  return same ? "" : "a second pass gives other bits\n";
}

template <class T>
std::string check_empty_batch(AnyLayer<T>& layer, Cpu& device, Shape shape, Run run) {
  shape.n = 0;
  const Tensor<T, Cpu> x(device, shape);
  const PassValues result = pass(layer, x, run);
  if (result.y_shape.size() != 0 || result.x_shape != shape || result.dx_shape != shape)
    return "an empty batch gets another shape\n";
  for (const Values& list : result.gradients)
    if (!(largest(list) == 0)) return "an empty batch has a gradient\n";
  for (const Values& list : result.buffers)
    if (!std::isfinite(largest(list))) return "an empty batch spoils a buffer\n";
  return "";
}

template <class T>
std::size_t kept_bytes(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run) {
  MemoryMeter& memory = x.device().memory();
  const std::size_t before = memory.live().total();
  Tensor<T, Cpu> state = clone(x);
  layer.forward(state, run);
  const std::size_t kept =
      memory.live().total() - before - static_cast<std::size_t>(state.shape().size()) * sizeof(T);
  layer.abandon();
  return kept;
}

std::string compare(const PassValues& a, const PassValues& b, double tolerance) {
  std::string wrong;
  const auto compared = [&](const char* what, const Values& x, const Values& y) {
    if (const double distance = relative_distance(x, y); !(distance <= tolerance))
      wrong += std::string(what) + " differs by " + text(distance) + "\n";
  };
  compared("y", a.y, b.y);
  compared("x", a.x, b.x);
  compared("dx", a.dx, b.dx);
  for (std::size_t i = 0; i < b.gradients.size(); ++i)
    compared("a gradient", a.gradients.at(i), b.gradients[i]);
  for (std::size_t i = 0; i < b.buffers.size(); ++i)
    compared("a buffer", a.buffers.at(i), b.buffers[i]);
  return wrong;
}

std::string detail::check_layer(AnyLayer<float> single, AnyLayer<double> exact,
                                AnyLayer<double> threaded, Cpu& one, Cpu& two,
                                const std::vector<Shape>& shapes, const Contract& contract) {
  std::string wrong;
  const auto add = [&](const std::string& where, const std::string& found) {
    if (!found.empty()) wrong += where + ": " + found;
  };
  randomise(single);
  randomise(exact);
  randomise(threaded);
  Run run = training;
  if (contract.random) {  // one mask for all that follows, the same one for each layer
    auto x = spread<double>(one, shapes.front());
    exact.forward(x, preview(training));
    auto threaded_x = spread<double>(two, shapes.front());
    threaded.forward(threaded_x, preview(training));
    auto single_x = spread<float>(two, shapes.front());
    single.forward(single_x, preview(training));
    run = replay(training);
  }
  for (Shape shape : shapes) {
    const auto x = spread<double>(one, shape), threaded_x = spread<double>(two, shape);
    add(to_string(shape) + " on two threads",
        compare(pass(threaded, threaded_x, run), pass(exact, x, run), 1e-12));
    add(to_string(shape) + " on two threads", check_repeats(threaded, threaded_x, run));
    pass(exact, x, run), pass(exact, x, run);  // as many steps
  }
  for (Shape shape : shapes) {
    const std::string name = to_string(shape);
    const auto x = spread<double>(one, shape);
    const auto single_x = spread<float>(two, shape);

    if (exact.invertible()) {
      add(name + " double", check_inverse(exact, x, contract.inverse));
      add(name + " float", check_inverse(single, single_x, contract.inverse));
    }
    add(name + " double", check_backward_restores_input(exact, x, contract.restored, run));
    add(name + " float", check_backward_restores_input(single, single_x, contract.restored, run));
    add(name, check_gradients(exact, x, run));
    add(name, check_taylor(exact, x, run));
    add(name, check_agreement(single, exact, single_x, contract.agreement, run));
    add(name + " double", check_gradients_are_added(exact, x, run, contract.added));
    add(name + " float", check_gradients_are_added(single, single_x, run, contract.added));
    if (!contract.random) {
      add(name, check_buffers_move_once(exact, x));
      add(name, check_nothing_is_left(single, single_x));
    }
  }
  add("empty double", check_empty_batch(exact, one, shapes.front(), run));
  add("empty float", check_empty_batch(single, two, shapes.front(), run));
  return wrong;
}

#define RETRACE_TEST_CONTRACT(T)                                                                  \
  template void randomise(AnyLayer<T>&, unsigned);                                                \
  template PassValues pass(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);                             \
  template std::string check_inverse(AnyLayer<T>&, const Tensor<T, Cpu>&, double);                \
  template std::string check_backward_restores_input(AnyLayer<T>&, const Tensor<T, Cpu>&, double, \
                                                     Run);                                        \
  template std::string check_gradients_are_added(AnyLayer<T>&, const Tensor<T, Cpu>&, Run,        \
                                                 double);                                         \
  template std::string check_buffers_move_once(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);         \
  template std::string check_nothing_is_left(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);           \
  template std::string check_repeats(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);                   \
  template std::string check_empty_batch(AnyLayer<T>&, Cpu&, Shape, Run);                         \
  template std::size_t kept_bytes(AnyLayer<T>&, const Tensor<T, Cpu>&, Run);
RETRACE_TEST_CONTRACT(float)
RETRACE_TEST_CONTRACT(double)

}  // namespace retrace::test
