// One stage in several places: weights that are shared.
#pragma once

#include <memory>
#include <utility>

#include "retrace/layer/inside.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// A stage that is used in several places of a network. Its parameters are listed, counted, decayed
/// and saved once; their gradients are the sums over all uses, complete after the last of them in a
/// backward pass.
///
///     Shared sine(Sine(device, 8));
///     net.add("block1", AdditiveCoupling(sine.use(), sine.use()));
///     net.add("block2", AdditiveCoupling(sine.use(), sine.use()));
///
/// A stage that records something of its input in forward, as a normalisation by batch statistics
/// does, cannot be shared: the list of parameters refuses it, and so does the second use in a pass.
template <Stage F>
class Shared {
  struct Block {
    F stage;
    int uses = 0;  ///< places
    int done = 0;  ///< of them, in the present backward pass
  };

 public:
  explicit Shared(F stage) : block_(std::make_shared<Block>(Block{std::move(stage)})) {}

  /// The stage in one of its places.
  class Place {
   public:
    using State = typename F::State;
    using Gradient = typename F::Gradient;

    explicit Place(std::shared_ptr<Block> block) : block_(std::move(block)) { ++block_->uses; }
    Place(const Place& other) : Place(other.block_) {}
    Place(Place&&) noexcept = default;
    Place& operator=(Place other) noexcept {
      std::swap(block_, other.block_);
      return *this;
    }
    ~Place() {
      if (block_) --block_->uses;
    }

    Shape output_shape(Shape x) const { return block_->stage.output_shape(x); }

    /// Stores nothing for backward, which evaluates the stage again: a shared stage has only one
    /// place to store activations.
    template <class Target, class Source>
    void apply(Target y, Source x, Run run, Store how) {
      block_->stage.apply(y, x, preview(run), how);
    }
    template <class Source, class DTarget, class DSource>
    void gradient(Source x, DTarget dy, DSource dx, Store how) {
      counted([&] { block_->stage.gradient(x, dy, dx, how); });
    }
    template <class Target, class Source, class DTarget, class DSource>
    void undo(Target target, Source source, DTarget dtarget, DSource dsource, Run run) requires
        requires(F& f) {
      f.undo(target, source, dtarget, dsource, run);
    }
    {
      counted([&] { block_->stage.undo(target, source, dtarget, dsource, run); });
    }

    void on_abandon() { block_->done = 0; }
    template <class V>
    void inside(V visit) {
      visit("", block_->stage);
    }

   private:
    /// All but the last use of a backward pass add a part.
    template <class Body>
    void counted(Body body) {
      using T = typename Gradient::Element;
      using D = std::remove_reference_t<decltype(std::declval<const State&>().device())>;
      ParameterList<T, D> list;
      inside::collect(block_->stage, "", list);
      AddsGuard<T, D> adds(list);
      if (++block_->done < block_->uses)
        adds.set_all(Adds::part);
      else
        block_->done = 0;
      body();
    }

    std::shared_ptr<Block> block_;
  };

  Place use() const { return Place(block_); }

 private:
  std::shared_ptr<Block> block_;
};

}  // namespace retrace::inline RETRACE_ISA
