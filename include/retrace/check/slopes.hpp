// Compares gradients with finite differences.
#pragma once

#include <cmath>
#include <concepts>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "retrace/check/any_layer.hpp"

namespace retrace::inline RETRACE_ISA::contract {
namespace detail {

/// L = Σ w·y + y²/2 of a layer's output, and Σ log-determinants times log_det_gradient in a flow,
/// near a point that can be moved.
class Loss {
 public:
  Loss(AnyLayer<double>& layer, const Tensor<double, Cpu>& x, Run run)
      : layer_(layer), x_(clone(x)), run_(run), parameters_(layer.parameters()) {
    evaluate();
    Tensor<double, Cpu> state = clone(x_);
    LogDet<Cpu> log_det(x_.device(), x_.shape().n);
    log_det.gradient = log_det_gradient;
    LogDet<Cpu>* sum = layer_.flow() ? &log_det : nullptr;
    layer_.forward(state, run_, sum);
    const Values y = values(state);
    Values slopes(y.size());
    for (std::size_t i = 0; i < y.size(); ++i) slopes[i] = weights_[i] + y[i];
    auto gradient = tensor<double>(x_.device(), state.shape(), slopes, Use::gradient);
    parameters_.zero_gradients();
    layer_.backward(state, gradient, sum);
    points_.push_back({"dx", x_.view(), values(gradient)});
    for (auto& named : parameters_.parameters)
      if (!named.parameter->frozen())
        points_.push_back({"the gradient of " + named.name, named.parameter->value.view(),
                           values(named.parameter->gradient)});
  }

  /// A tensor that L depends on, and ∂L/∂ of it.
  struct Point {
    std::string name;
    View<double, Cpu> at;
    Values gradient;
    double length() const { return std::sqrt(dot(gradient, gradient)); }
  };
  const std::vector<Point>& points() const { return points_; }

  /// Returns L with that point moved by `step` along `direction`.
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
    LogDet<Cpu> log_det(x_.device(), x_.shape().n);
    layer_.forward(state, run, layer_.flow() ? &log_det : nullptr);
    if (weights_.empty()) weights_ = normal_values(state.shape().size(), 3);
    const Values y = values(state), of_images = values(log_det.value);
    return dot(weights_, y) + dot(y, y) / 2 +
           log_det_gradient * std::accumulate(of_images.begin(), of_images.end(), 0.0);
  }

  AnyLayer<double>& layer_;
  Tensor<double, Cpu> x_;
  Run run_;
  ParameterList<double, Cpu> parameters_;
  Values weights_;
  std::vector<Point> points_;
};

/// L along a line through a point.
class Line {
 public:
  Line(Loss& loss, std::size_t index, unsigned seed)
      : loss_(loss),
        point_(loss.points()[index]),
        direction_(normal_values(point_.at.shape().size(), seed)) {}

  double at(double step) { return loss_.moved(point_, direction_, step); }
  double central_difference(double step) { return (at(step) - at(-step)) / (2 * step); }
  /// Returns whether no kink lies within the step: then halving the step changes almost nothing.
  bool smooth(double step) {
    return std::abs(central_difference(step) - central_difference(step / 2)) <=
           1e-7 * point_.length() + 1e-12;
  }
  /// Returns ∂L/∂step from the gradient.
  double slope() const { return dot(direction_, point_.gradient); }
  double length() const { return point_.length(); }

 private:
  Loss& loss_;
  const Loss::Point& point_;
  Values direction_;
};

/// Returns the first of a few random lines that is smooth within the step.
inline std::optional<Line> smooth_line(Loss& loss, std::size_t index, unsigned seed, double step) {
  for (unsigned attempt = 0; attempt < 8; ++attempt)
    if (Line line(loss, index, seed + attempt); line.smooth(step)) return line;
  return std::nullopt;
}

}  // namespace detail

/// Checks dx and every parameter gradient against central differences of L = Σ w·y + y²/2 along
/// random directions, to 1e-7 of their length. A direction whose step crosses a kink is replaced.
/// Only in double, because float has too few digits.
template <std::same_as<double> T>
Findings check_gradients(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  constexpr double step = 1e-5, tolerance = 1e-7;
  detail::Loss loss(layer, x, run);
  Findings wrong;
  for (std::size_t i = 0; i < loss.points().size(); ++i)
    for (unsigned direction = 0; direction < 3; ++direction) {
      auto line = detail::smooth_line(loss, i, 4 + 10 * direction, step);
      if (!line) {
        wrong.add(loss.points()[i].name + ": every step meets a kink");
        break;
      }
      const double measured = line->central_difference(step / 2);
      if (!(std::abs(line->slope() - measured) <= tolerance * line->length() + 1e-12))
        wrong.add(loss.points()[i].name + " is " + text(line->slope()) +
                  " along a line, but the slope is " + text(measured) + " (relative error " +
                  text(std::abs(line->slope() - measured) / line->length()) + ")");
    }
  return wrong;
}

/// Checks that the remainder of L after subtracting each gradient's linear term falls with the
/// square of the distance.
template <std::same_as<double> T>
Findings check_taylor(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  constexpr double step = 3e-5;
  detail::Loss loss(layer, x, run);
  const double here =
      loss.moved(loss.points()[0], Values(loss.points()[0].gradient.size(), 0.0), 0);
  Findings wrong;
  for (std::size_t i = 0; i < loss.points().size(); ++i) {
    // Along some lines the second-order term is small compared with the third, so several lines are
    // tried. The remainder of a wrong gradient falls linearly along all of them.
    double order = 0;
    for (unsigned attempt = 0; attempt < 4 && std::abs(order - 2) > 0.01; ++attempt) {
      auto line = detail::smooth_line(loss, i, 5 + 10 * attempt, step);
      if (!line) break;
      const auto remainder = [&](double by) {
        return std::abs(line->at(by) - here - by * line->slope());
      };
      const double far = remainder(step), half = remainder(step / 2), near = remainder(step / 4);
      const double first = std::log2(far / half), second = std::log2(half / near);
      order = std::abs(first - 2) > std::abs(second - 2) ? first : second;
      if (far <= 1e-14 * (1 + std::abs(here))) order = 2;  // no remainder at all is also correct
    }
    if (order == 0)
      wrong.add(loss.points()[i].name + ": every step meets a kink");
    else if (!(std::abs(order - 2) <= 0.01))
      wrong.add("what " + loss.points()[i].name + " leaves falls with the power " + text(order) +
                " instead of 2");
  }
  return wrong;
}

}  // namespace retrace::inline RETRACE_ISA::contract
