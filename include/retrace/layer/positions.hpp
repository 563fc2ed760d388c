// Positions as vectors that are added to the state.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "retrace/core/sequence.hpp"
#include "retrace/layer/decoding.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y[n,t] = x[n,t] + w[t], one trained vector for each position (Gehring et al. 2017).
///
/// Shapes    x, y [N,H,W,C], w [positions,C] with positions ≥ H·W.
/// Inverse   none is needed: x is never stored.
/// Backward  dx = dy,  dw[t] += Σ dy over the images.
/// Stores    nothing.
template <class T, Device D>
class LearnedPositions {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true, reads_input = false;

  LearnedPositions(D& device, Index positions, Index channels, Random& random,
                   double deviation = 0.02)
      : weight_(device, sequence(1, positions, channels), false) {
    he_normal(weight_.value, 2, random, deviation);
  }

  Index input_channels() const { return weight_.value.shape().c; }
  /// Continues sequences from now on, whenever they are active.
  void set_decoding(std::shared_ptr<const Decoding> decoding) { decoding_ = std::move(decoding); }

  /// @throws ShapeError unless x has C channels and no more positions than w.
  Shape output_shape(Shape x) const {
    require_channels("LearnedPositions", "x", x, input_channels());
    if (x.w != any_extent && first() + x.h * x.w > weight_.value.shape().w)
      throw ShapeError("LearnedPositions: x is " + to_string(x) + ", positions " +
                       std::to_string(first()) + " to " + std::to_string(first() + x.h * x.w) +
                       ", but there are vectors of " + std::to_string(weight_.value.shape().w));
    return x;
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("LearnedPositions", "y", y.shape(), "x", output_shape(x.shape()));
    add_positions(y, x, weight_.value.view(), first(), how);
  }
  void gradient(View<const T, D>, View<const T, D> dy, View<T, D> dx, Store how) {
    weight_.accumulate([&](View<T, D> dw) { add_position_sums(dw, dy, first()); });
    store_unless_same(dx, dy, how);
  }

  template <class V>
  void inside(V visit) {
    visit("weight", weight_);
  }

 private:
  Index first() const { return decoding_ && decoding_->active() ? decoding_->done : 0; }

  Parameter<T, D> weight_;
  std::shared_ptr<const Decoding> decoding_;
};

/// y[n,t] = x[n,t] + (a[t/W'], b[t mod W']): positions as cells of a grid of H' rows and W'
/// columns, with a vector for each row and one for each column (Kitaev et al. 2020, axial
/// positions). H'·W' positions take H'·C₁ + W'·C₂ numbers; a sequence may be shorter, and need not
/// fill a row.
///
/// Shapes    x, y [N,H,W,C], a [H',C₁], b [W',C₂] with C₁ + C₂ = C.
/// Inverse   none is needed: x is never stored.
/// Backward  dx = dy,  da and db are the sums of dy over their rows and columns.
/// Stores    nothing.
template <class T, Device D>
class AxialPositions {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true, reads_input = false;

  AxialPositions(D& device, Index rows, Index columns, Index channels, Random& random,
                 double deviation = 0.02)
      : row_(device, sequence(1, rows, channels / 2), false),
        column_(device, sequence(1, columns, channels - channels / 2), false) {
    he_normal(row_.value, 2, random, deviation);
    he_normal(column_.value, 2, random, deviation);
  }

  Index input_channels() const { return row_.value.shape().c + column_.value.shape().c; }
  void set_decoding(std::shared_ptr<const Decoding> decoding) { decoding_ = std::move(decoding); }

  /// @throws ShapeError unless x has C channels and no more positions than the grid.
  Shape output_shape(Shape x) const {
    require_channels("AxialPositions", "x", x, input_channels());
    const Index rows = row_.value.shape().w, columns = column_.value.shape().w;
    if (x.w != any_extent && first() + x.h * x.w > rows * columns)
      throw ShapeError("AxialPositions: x is " + to_string(x) + ", positions " +
                       std::to_string(first()) + " to " + std::to_string(first() + x.h * x.w) +
                       ", but the grid is " + std::to_string(rows) + " x " +
                       std::to_string(columns));
    return x;
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("AxialPositions", "y", y.shape(), "x", output_shape(x.shape()));
    add_axial_positions(y, x, row_.value.view(), column_.value.view(), first(), how);
  }
  void gradient(View<const T, D>, View<const T, D> dy, View<T, D> dx, Store how) {
    Parameter<T, D>::accumulate(row_, column_, [&](View<T, D> da, View<T, D> db) {
      add_axial_position_sums(da, db, dy, first());
    });
    store_unless_same(dx, dy, how);
  }

  template <class V>
  void inside(V visit) {
    visit("row", row_);
    visit("column", column_);
  }

 private:
  Index first() const { return decoding_ && decoding_->active() ? decoding_->done : 0; }

  Parameter<T, D> row_, column_;
  std::shared_ptr<const Decoding> decoding_;
};

}  // namespace retrace::inline RETRACE_ISA
