// The two kinds of function that networks are built of: layers and stages.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

#include "retrace/core/run.hpp"
#include "retrace/core/store.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// The common part of layers and stages.
///
///   output_shape(x)   returns the shape of the output for an input of that shape, and throws
///                     ShapeError for one that it cannot take
///   inside(visit)     calls visit(name, part) for every parameter, buffer, counter, stage and
///   layer
///                     that it consists of. Collecting parameters, setting modes, dropping what a
///                     pass has stored and all else that concerns the parts recurses through it
///                     (layer/inside.hpp)
template <class N>
concept Node = requires(N node, Shape shape) {
  { node.output_shape(shape) } -> std::same_as<Shape>;
}
&&(
    requires(N node) { node.inside([](const std::string&, auto&) {}); } ||
    requires(N node) { node.abandon(); });  // a chain, which does not know its parts' types

/// y = f(x), out of place.
///
///   apply(y, x, run, how)      y =, += or −= f(x)
///   gradient(x, dy, dx, how)   dx =, += or −= (∂f/∂x)ᵀ dy, and adds ∂L/∂θ to every parameter θ by
///                              accumulate(); it follows an apply to the same x
///
/// A stage stores no activations: its caller stores x or reconstructs it. Its inputs and outputs do
/// not overlap unless it says so:
///
///   static constexpr bool in_place = true       y may be x and dx may be dy, with Store::set
///   static constexpr bool reads_input = false   gradient reads the shape of x alone
///   input_channels()                            the channels that every x must have
///   lipschitz()                                 the bound of its Lipschitz constant
///   prepare(improve)                            is called before the evaluations of a pass by a
///                                               layer that needs bounds: computes what they share
///   on_time(time)                               is called before apply and before gradient if a
///                                               solver or a Repeat evaluates it at a time
///   apply(y, x, run, how, of_x, of_y)           takes the Moments of x and gives those of y, each
///                                               unless it is null
///   keep(x, run)                                keeps what an apply that keeps would, without y:
///                                               for stages that store more than their caller does
///   take_off_means(dx, x)                       after gradient() while a normalisation at its very
///                                               beginning gathers sums: makes dx right
template <class M>
concept Stage = Node<M> &&
    requires(M stage, typename M::State& x, typename M::State& y, typename M::Gradient& dx,
             typename M::Gradient& dy, Run run, Store how) {
  stage.apply(y.view(), std::as_const(x).view(), run, how);
  stage.gradient(std::as_const(x).view(), std::as_const(dy).view(), dx.view(), how);
};

/// A transformation of a tensor in place.
///
///   forward(x, run)   x becomes y = f(x)
///   backward(y, dy)   y becomes x again, dy = ∂L/∂y becomes dx = ∂L/∂x, and ∂L/∂θ is added to
///   every
///                     parameter θ by accumulate()
///
/// An Invertible layer reconstructs x, whatever ran in between. Any other layer takes x over in
/// forward(x, training), owns it until backward gives it back, and frees it if `run.keep` is false.
/// If `run.restore` is false, backward may leave y without elements.
///
///   reads_output()    whether backward reads y; true if absent. If false, y may have no elements
///   on_mode(mode)     is called when a memory mode is set
///   on_abandon()      drops what a pass has stored
///   normalisation()   the ChannelNormalisation that is all it consists of, which
///                     behind(normalisation) of another stage takes over
template <class L>
concept Layer = Node<L> && requires(L layer, typename L::State& x, typename L::State& y,
                                    typename L::Gradient& dy, Run run) {
  layer.forward(x, run);
  layer.backward(y, dy);
};

///   inverse(y, run)   y becomes x, for y = forward(x, run) with the same run
template <class L>
concept Invertible = Layer<L> && requires(L layer, typename L::State& y, Run run) {
  layer.inverse(y, run);
};

/// How a network spends memory.
enum class Mode {
  stored,      ///< all that backward needs is stored in forward
  reversible,  ///< nothing is stored; inputs are reconstructed, branches evaluated once more
  inverted,    ///< as reversible, and the insides of a branch are reconstructed instead of stored
  chunked,  ///< as reversible, and the insides of a branch exist for one chunk of images at a time
};

inline constexpr std::array<Mode, 4> all_modes{Mode::stored, Mode::reversible, Mode::inverted,
                                               Mode::chunked};

/// "chunked", as on a command line.
constexpr std::string_view name(Mode mode) {
  constexpr std::array<std::string_view, 4> names{"stored", "reversible", "inverted", "chunked"};
  return names[static_cast<std::size_t>(mode)];
}

}  // namespace retrace::inline RETRACE_ISA
