// A part of a network whose state is held in fixed point, so that it is reconstructed exactly.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/rounded_branch.hpp"
#include "retrace/net/branch.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/net/chunked_chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// The number format of the state between the blocks of a network.
enum class Stream { floating, fixed32, fixed16 };

inline constexpr std::array<Stream, 3> all_streams{Stream::floating, Stream::fixed32,
                                                   Stream::fixed16};

/// Returns the name on a command line, such as "fixed16".
constexpr std::string_view name(Stream stream) {
  constexpr std::array<std::string_view, 3> names{"float", "fixed32", "fixed16"};
  return names[static_cast<std::size_t>(stream)];
}

/// Options of a fixed-point part of a network.
struct FixedStreamOptions {
  std::optional<int> fraction_bits;  ///< b; chosen from the first batch if omitted
  std::optional<int> head_room;      ///< free bits if b is chosen; by default 2 of 16, 6 of 32
  OnOverflow on_overflow = OnOverflow::refuse;
};

/// Rounds x to q = round(x·2^b) and passes q through a chain of exactly invertible layers:
/// couplings of RoundedBranch, channel and batch pooling. y is the output of the chain, or of the
/// *tail* after it. The tail consists of floating-point layers that combine one or more images into
/// one, such as a head.
///
/// Shapes    those of the chain and the tail.
/// Inverse   none, because y in floating point may have fewer digits than q. chain() has an inverse
///           that is exact bit for bit.
/// Backward  the chain starts from its final q and reconstructs every q of forward bit for bit, in
///           any mode and for any number of threads. The gradient is straight-through at roundings.
///           x is reconstructed with its rounding. The tail is evaluated again and differentiated
///           in chunks of q, so at most one chunk of its input exists in floating point.
/// Stores    q after the chain: 2 or 4 bytes per element.
template <math::FixedPoint E, class T, Device D>
class FixedStream {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  using Inner = Chain<T, D, E>;
  using Tail = Chain<T, D>;

  /// @throws std::invalid_argument if the fraction bits are out of range.
  explicit FixedStream(const FixedStreamOptions& options = {})
      : format_(std::make_shared<StreamFormat>(math::most_fraction_bits<E>)),
        head_room_(options.head_room.value_or(sizeof(E) == 2 ? 2 : 6)) {
    if (head_room_ < 0)
      throw std::invalid_argument("FixedStream: head-room must not be negative, got " +
                                  std::to_string(head_room_));
    format_->on_overflow = options.on_overflow;
    if (options.fraction_bits) set_fraction_bits(*options.fraction_bits);
  }

  /// Returns a coupling of the stream with the branches of a floating-point coupling.
  template <class H>
  AdditiveCoupling<RoundedBranch<H, E, D>> rounded(AdditiveCoupling<H> coupling) const {
    return {RoundedBranch<H, E, D>(std::move(coupling.f()), format_),
            RoundedBranch<H, E, D>(std::move(coupling.g()), format_)};
  }

  /// The fixed-point layers. Add them here; they share format().
  Inner& chain() { return chain_; }
  /// The floating-point layers after the chain. They need no inverse.
  Tail& tail() { return tail_; }
  const SharedStreamFormat& format() const { return format_; }

  /// @throws std::invalid_argument if the bits are out of range.
  void set_fraction_bits(int bits) { format_->choose(bits); }

  Shape output_shape(Shape x) const { return tail_.output_shape(chain_.output_shape(x)); }

  /// @throws std::domain_error if x holds a NaN or an infinity.
  /// @throws StreamOverflow if a value leaves the range and overflows are refused.
  void forward(State& x, Run run) {
    if (!format_->chosen && x.shape().n > 0) choose_fraction_bits(x, run);
    run_ = run;
    Fixed q = rounded(std::as_const(x).view());
    x = State::none(q.device());
    chain_.forward(q, run);
    x = widened(q);
    if (tail_.size() > 0)
      tail_.forward(x, preview(run));
    else if (!chain_.reads_output())
      q = Fixed::none(x.device());
    output_.take_over(std::move(q), run);
  }

  void backward(State& y, Gradient& dy) {
    Fixed q = output_.give_back("FixedStream");
    y = State::none(dy.device());
    if (tail_.size() > 0) dy = tail_gradient(std::as_const(q).view(), std::as_const(dy).view());
    if (!chain_.reads_output()) q = Fixed::none(dy.device());
    chain_.backward(q, dy);
    if (run_.restore) y = widened(q);
  }

  Modes modes() const { return chain_.modes(); }
  void set_modes(const Modes& modes) { chain_.set_modes(modes); }
  static constexpr bool reads_output() { return false; }
  void on_abandon() { output_.abandon(); }
  template <class V>
  void inside(V visit) {
    visit("", chain_);
    visit("fraction_bits", *format_);
    visit("", tail_);
  }

 private:
  using Fixed = Tensor<E, D>;

  Fixed rounded(View<const T, D> x) {
    Fixed q(x.device(), x.shape());
    format_->settle(x.device().memory().place(),
                    store_rounded(q.view(), x, format_->step(), Store::set));
    return q;
  }
  State widened(const Fixed& q) const { return widened(q.view()); }
  State widened(View<const E, D> q, Use use = Use::activation) const {
    State x(q.device(), q.shape(), use);
    widen(x.view(), q, format_->step());
    return x;
  }

  /// Returns the gradient with respect to q through the tail.
  Gradient tail_gradient(View<const E, D> q, View<const T, D> dy) {
    return chunked_gradient(tail_, q.shape(), dy, run_, [&](Index first, Index count) {
      return widened(q.images(first, count), Use::workspace);
    });
  }

  /// Runs some images through the chain with fewer and fewer fraction bits until no value
  /// overflows, and then reserves the head-room above the largest value.
  void choose_fraction_bits(const State& x, Run run) {
    constexpr Index images = 16;
    const auto some = x.view().images(0, std::min(x.shape().n, images));
    const Trial trial(*this);
    double largest = 0;
    for (int bits = math::most_fraction_bits<E>; bits >= 0; bits -= 2) {
      format_->fraction_bits = bits;
      format_->overflows = 0;
      largest = largest_state(some, run);
      if (format_->overflows == 0) break;
    }
    // A dry run has no values. If even 0 bits overflow, the next pass reports it.
    if (x.device().dry()) return;
    format_->chosen = true;
    if (format_->overflows == 0)
      format_->fraction_bits = math::fraction_bits_for<E>(largest, head_room_);
  }

  double largest_state(View<const T, D> x, Run run) {
    Fixed q = rounded(x);
    double largest = largest_magnitude(q.view());
    const typename Inner::Observed observed(chain_, [&](const typename Inner::Visit& visit) {
      largest = std::max(largest, largest_magnitude(visit.x.view()));
    });
    chain_.forward(q, {.statistics = run.statistics, .restore = false});
    return largest * format_->step();
  }

  /// Scope guard that only counts overflows, and resets the count at the end.
  class Trial {
   public:
    explicit Trial(FixedStream& stream)
        : stream_(stream),
          on_overflow_(std::exchange(stream.format_->on_overflow, OnOverflow::count)) {}
    ~Trial() {
      stream_.format_->on_overflow = on_overflow_;
      stream_.format_->overflows = 0;
    }

   private:
    FixedStream& stream_;
    OnOverflow on_overflow_;
  };

  Inner chain_;
  Tail tail_;
  SharedStreamFormat format_;
  int head_room_;
  Run run_ = training;
  Kept<Fixed> output_;
};

}  // namespace retrace::inline RETRACE_ISA
