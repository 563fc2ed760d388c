// A fixed permutation of the channels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/host_values.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA {

/// y[c] = x[order[c]] at every pixel, in reverse order or in a random one.
///
/// Shapes    x, y [N,H,W,C].
/// Inverse   the inverse permutation, bit for bit.
/// Backward  dx is dy permuted as the inverse.
/// Log-det   0: the Jacobian is a permutation.
/// Stores    nothing.
template <class T, Device D>
class ChannelPermutation {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool volume_preserving = true;

  /// @param seed  chooses the order, and 0 the reverse one; checkpoints save it
  explicit ChannelPermutation(Index channels, std::uint64_t seed = 0)
      : order_(channels, static_cast<std::int64_t>(seed)) {}

  Index input_channels() const { return static_cast<Index>(order_.channels().size()); }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("ChannelPermutation", "x", x, input_channels());
    return x;
  }

  void forward(State& x, Run) { permute(x, false); }
  void inverse(State& y, Run) { permute(y, true); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("ChannelPermutation", "y", y.shape(), "dy", dy.shape());
    permute(y, true);
    permute(dy, true);
  }

  template <class V>
  void inside(V visit) {
    visit("seed", order_);
  }

 private:
  class Order {
   public:
    Order(Index channels, std::int64_t seed) : channels_(static_cast<std::size_t>(channels)) {
      set(seed);
    }
    std::int64_t get() const { return seed_; }
    void set(std::int64_t seed) {
      seed_ = seed;
      for (std::size_t c = 0; c < channels_.size(); ++c)
        channels_[c] = static_cast<Index>(seed == 0 ? channels_.size() - 1 - c : c);
      if (seed == 0) return;
      Random random(static_cast<std::uint64_t>(seed), substream("permutation"));
      for (std::size_t c = channels_.size(); c > 1; --c)
        std::swap(channels_[c - 1], channels_[random.below(static_cast<std::uint32_t>(c))]);
    }
    const std::vector<Index>& channels() const { return channels_; }

   private:
    std::int64_t seed_ = 0;
    std::vector<Index> channels_;
  };

  /// Copies one channel of all pixels at a time, which every device can do.
  void permute(State& x, bool back) const {
    State from = clone(x, Use::workspace);
    const std::vector<Index>& order = order_.channels();
    for (std::size_t c = 0; c < order.size(); ++c) {
      const auto place = static_cast<Index>(c);
      const Index to = back ? order[c] : place, of = back ? place : order[c];
      copy(x.view().channels(to, 1), std::as_const(from).view().channels(of, 1));
    }
  }

  Order order_;
};

}  // namespace retrace::inline RETRACE_ISA
