// The interface for observing inputs of layers in forward and their reconstructions in backward.
#pragma once

#include <optional>
#include <string>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// The name of a layer, such as "level1.block0.f.norm0", and of its chain, "level1.block0.f".
struct WatchedLayer {
  std::string chain, name;
};

/// A watch's judgement of a reconstructed input.
struct Judgement {
  std::optional<double> decibels;  ///< signal-to-noise ratio, if measured
  bool anchor = false;             ///< the layer must store its input from the next pass on
};

/// Watches layers that reconstruct their input. Layers that store their input are only reported to
/// attached().
template <class State>
class InputWatch {
 public:
  virtual ~InputWatch() = default;

  /// Called once for every layer when the watch is attached.
  virtual void attached(const WatchedLayer& layer, bool reconstructs) = 0;
  /// Called before the layer transforms its input x, in a pass that backward will follow.
  virtual void given(const WatchedLayer& layer, const State& x) = 0;
  /// Called in backward with the reconstructed input x.
  virtual Judgement restored(const WatchedLayer& layer, const State& x) = 0;
  /// Called when a pass is abandoned.
  virtual void abandoned() = 0;
};

/// Attaches a watch to the inside of a layer or branch, if it has a member `watch`.
template <class Inside, class State>
void watch_inside(Inside& inside, const std::string& name, InputWatch<State>* watch) {
  if constexpr (requires { inside.watch(name, watch); }) inside.watch(name, watch);
}

}  // namespace retrace::inline RETRACE_ISA
