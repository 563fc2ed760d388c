// Seeing what a layer is given in forward, and what it makes of it in backward.
#pragma once

#include <optional>
#include <string>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// A layer by name, "level1.block0.f.norm0", and the chain it is in, "level1.block0.f".
struct WatchedLayer {
  std::string chain, name;
};

/// What a watch says of an input that was computed again.
struct Judgement {
  std::optional<double> decibels;  ///< signal to noise, where it was measured
  bool anchor = false;             ///< the layer shall keep its input from the next pass on
};

/// Watches layers that compute their input again instead of keeping it. Layers that keep it are
/// not worth watching.
template <class State>
class InputWatch {
 public:
  virtual ~InputWatch() = default;

  /// Said of every layer when it begins to be watched.
  virtual void attached(const WatchedLayer& layer, bool reconstructs) = 0;
  /// x is what the layer is about to transform, in a pass that backward will follow.
  virtual void given(const WatchedLayer& layer, const State& x) = 0;
  /// x is what the layer has computed in its place.
  virtual Judgement restored(const WatchedLayer& layer, const State& x) = 0;
  /// A pass was given up.
  virtual void abandoned() = 0;
};

/// Lets what is inside a layer or a branch be watched, if there is anything.
template <class Inside, class State>
void watch_inside(Inside& inside, const std::string& name, InputWatch<State>* watch) {
  if constexpr (requires { inside.watch(name, watch); }) inside.watch(name, watch);
}

}  // namespace retrace::inline RETRACE_ISA
