// What a layer promises.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>

#include "retrace/core/run.hpp"
#include "retrace/core/store.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// A layer transforms a tensor in place and undoes it in place.
///
///   forward(x, run)   x becomes y = f(x)
///   backward(y, dy)   y becomes x again, dy = ∂L/∂y becomes dx = ∂L/∂x, and ∂L/∂θ is added
///                     to the accumulator() of every parameter θ, but one that `adds` none,
///                     and complete() said of it
///
/// An Invertible layer gets x back by arithmetic, whatever ran in between. Any other layer
/// takes x over in forward(x, training), owns it until backward gives it back, and lets it
/// go when `run.keep` is false. The caller need not know which it has.
///
/// With `run.restore` off the caller does not need x back: what becomes of y is then up to the
/// layer, which may leave it without elements.
///
/// A layer may also have any of these:
///
///   abandon()              drops what a pass has kept
///   collect(prefix, list)  names its parameters and buffers
///   set_mode(mode)         what to keep and what to recompute
///   set_chunk(images)      the images of a chunk in mode `streamed`; 0 leaves that to the layer
///   fuse()                 makes one layer of a normalisation and the convolution behind it
///   normalisation()        what the layer does and nothing else, which behind(normalisation) of
///                          another takes over
///   watch(name, watch)     lets the layers inside it be watched, input_watch.hpp
///   reads_output()         whether backward reads y; taken as true if absent. Where it says no,
///                          y may be empty, of any shape
template <class L>
concept Layer = requires(L layer, typename L::State& x, typename L::State& y,
                         typename L::Gradient& dy, Run run) {
  layer.forward(x, run);
  layer.backward(y, dy);
};

///   inverse(y, run)   y becomes x, for y = forward(x, run) with the same run
template <class L>
concept Invertible = Layer<L> && requires(L layer, typename L::State& y, Run run) {
  layer.inverse(y, run);
};

/// A function of one tensor that writes into another, of which branches are stacked.
///
///   apply(y, x, run, how)       y =, += or −= f(x); keeps nothing
///   gradient(x, dy, dx, how)    dx =, += or −= (∂f/∂x)ᵀ dy, parameter gradients are added to
///   output_shape(x)             the shape of y
///
/// A stage that begins with a normalisation, and has no other, may be streamed if it also has
///
///   take_off_means(dx, x)       what gradient() has left in dx while sums were gathered
template <class M>
concept Stage = requires(M stage, typename M::State& x, typename M::State& y, Run run, Store how) {
  stage.apply(y.view(), x.view(), run, how);
  stage.gradient(x.view(), y.view(), x.view(), how);
  { stage.output_shape(x.shape()) } -> std::same_as<Shape>;
};

/// A function H of one half of the state that is added to the other half. It needs no inverse.
///
///   add_to(target, source, run, how)           target =, += or −= H(source); with run.keep,
///                                              keeps what differentiate needs but the source
///   differentiate(source, dtarget, dsource)    dsource += (∂H/∂source)ᵀ dtarget, parameter
///                                              gradients are added to, what was kept is dropped;
///                                              dsource must not overlap dtarget
///
/// A branch may also have any of these:
///
///   abandon(), collect(prefix, list), set_mode(mode)   as a layer
///   set_chunk(images)                          the images of a chunk that it streams
///   fuse()                                     as a layer
///   streams(source)                            whether it streams such a source, by
///   undo(target, source, dtarget, dsource, run)  which is target −= H(source) and differentiate in
///                                              one; run is that of forward
///   evaluate(x, run)                           H(x) of a tensor that is let go, keeping nothing
template <class H>
concept Branch = requires(H branch, typename H::State& a, typename H::Gradient& da, Run run,
                          Store how) {
  branch.add_to(a.view(), a.view(), run, how);
  branch.differentiate(a.view(), da.view(), da.view());
};

/// What a block keeps for backward and what it computes again.
enum class Mode {
  stored,      ///< everything backward needs is kept in forward
  reversible,  ///< nothing is kept; inputs are reconstructed, branches evaluated once more
  inverted,    ///< as reversible, and the insides of a branch are inverted instead of kept
  streamed,  ///< as reversible, and the insides of a branch exist for one chunk of images at a time
};

/// "streamed", as on a command line.
constexpr std::string_view name(Mode mode) {
  constexpr std::array<std::string_view, 4> names{"stored", "reversible", "inverted", "streamed"};
  return names[static_cast<std::size_t>(mode)];
}

}  // namespace retrace::inline RETRACE_ISA
