// The layers of a chain, and a pass through some of them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retrace/net/layer_link.hpp"

namespace retrace::inline RETRACE_ISA {

/// Links one after another. A pass goes through a range of them, calls an observer behind each, and
/// hands moments and log-determinants on; the chain that is built on it says what a pass stores.
template <class T, Device D, class S = T>
class LinkSequence {
 public:
  using State = Tensor<S, D>;
  using Gradient = Tensor<T, D>;

  enum class Pass { forward, inverse, backward };
  /// The argument of an observer after each layer. In backward, x is that layer's restored input.
  struct Visit {
    const std::string& layer;
    Pass pass;
    const State& x;
    const Gradient* dx;              ///< in backward only
    MemoryMeter& memory;             ///< whose peak, restarted at every visit, is that of one layer
    std::optional<double> decibels;  ///< in backward, of x compared with the truth, if measured
  };
  using Observer = std::function<void(const Visit&)>;

  std::size_t size() const { return links_.size(); }
  const std::string& name(std::size_t index) const { return links_.at(index)->name; }
  Link<T, D, S>& link(std::size_t index) { return *links_.at(index); }

  /// The shape of the output for an input of that shape.
  /// @throws ShapeError naming the first layer that cannot take what it is given.
  Shape output_shape(Shape x) const {
    for (const auto& link : links_) x = named(link->name, [&] { return link->output_shape(x); });
    return x;
  }
  /// @throws StateError naming the first layer that has no log-determinant.
  void require_log_det() const {
    for (const auto& link : links_) named(link->name, [&] { link->require_log_det(); });
  }

  /// Calls the observer after every layer of every pass from now on; an empty one ends that.
  /// @return the one before
  Observer observe(Observer observer) { return std::exchange(observer_, std::move(observer)); }

  /// Layers [first, end) alone, without a look at passes; `run.restore` is for the first of them.
  /// Uses the moments of x and measures those of the output, each unless it is null.
  void forward(State& x, Run run, std::size_t first, std::size_t end,
               const Moments<D>* of_x = nullptr, Moments<D>* of_y = nullptr,
               LogDet<D>* log_det = nullptr) {
    std::optional<Moments<D>> of_input;
    for (std::size_t i = first; i < end; ++i) {
      // A layer's input is the output of the one before it, which may not need it back.
      if (i > first) run.restore = links_[i - 1]->reads_output();
      std::optional<Moments<D>> of_output;
      Moments<D>* measured =
          i + 1 == end ? of_y : moments_after(i, x.device(), x.shape(), run, of_output);
      at_place(x.device().memory(), links_[i]->name, [&] {
        links_[i]->forward(x, run,
                           i == first ? of_x
                           : of_input ? &*of_input
                                      : nullptr,
                           measured, log_det);
      });
      of_input = std::move(of_output);
      visit(i, Pass::forward, x);
    }
  }
  void inverse(State& y, Run run, std::size_t first, std::size_t end,
               LogDet<D>* log_det = nullptr) {
    for (std::size_t i = end; i-- > first;) {
      at_place(y.device().memory(), links_[i]->name, [&] { links_[i]->inverse(y, run, log_det); });
      visit(i, Pass::inverse, y);
    }
  }
  void backward(State& y, Gradient& dy, std::size_t first, std::size_t end,
                const LogDet<D>* log_det = nullptr) {
    for (std::size_t i = end; i-- > first;) {
      at_place(dy.device().memory(), links_[i]->name, [&] { links_[i]->backward(y, dy, log_det); });
      visit(i, Pass::backward, y, &dy);
    }
  }

  /// Makes moments for layer `index` to measure of its output if the layer behind it uses them;
  /// returns null otherwise.
  Moments<D>* moments_after(std::size_t index, D& device, Shape x, Run run,
                            std::optional<Moments<D>>& moments) const {
    if (run.statistics != Statistics::batch || index + 1 >= links_.size() ||
        !links_[index]->measures_moments() || !links_[index + 1]->uses_moments())
      return nullptr;
    const Shape y = links_[index]->output_shape(x);
    return y.pixels() < 2 ? nullptr : &moments.emplace(device, y.c);
  }

 protected:
  void visit(std::size_t index, Pass pass, const State& x, const Gradient* dx = nullptr) const {
    if (!observer_) return;
    const auto decibels = pass == Pass::backward ? links_[index]->decibels() : std::nullopt;
    observer_({links_[index]->name, pass, x, dx, x.device().memory(), decibels});
  }

  std::vector<std::unique_ptr<Link<T, D, S>>> links_;
  Observer observer_;
};

}  // namespace retrace::inline RETRACE_ISA
