// A stage inside a coupling, by name.
#pragma once

#include <string_view>
#include <utility>

#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// A stage whose errors and memory peaks carry its name, "f" or "g".
template <Stage F>
struct NamedStage {
  F stage;
  std::string_view name;

  Shape output_shape(Shape x) const {
    return named(name, [&] { return stage.output_shape(x); });
  }
  /// @throws ShapeError unless the stage keeps the shape of x.
  void require_same_output(Shape x) const {
    named(name, [&] {
      require_same_shape("a branch of a coupling", "its input", x, "its output",
                         stage.output_shape(x));
    });
  }

  template <class Target, class Source>
  void apply(Target y, Source x, Run run, Store how) {
    at_place(y.device().memory(), name, [&] { stage.apply(y, x, run, how); });
  }
  template <class Source, class DTarget, class DSource>
  void gradient(Source x, DTarget dy, DSource dx, Store how) {
    at_place(dx.device().memory(), name, [&] { stage.gradient(x, dy, dx, how); });
  }

  /// target −= f(source) and dsource += (∂f/∂source)ᵀ dtarget, with one evaluation of f: the value
  /// that restores the target is the one whose insides carry the gradient. A branch in chunks has
  /// an undo of its own.
  template <class Target, class Source, class DTarget, class DSource>
  void undo(Target target, Source source, DTarget dtarget, DSource dsource, Run run) {
    if constexpr (requires { stage.undo(target, source, dtarget, dsource, run); }) {
      at_place(target.device().memory(), name,
               [&] { stage.undo(target, source, dtarget, dsource, run); });
    } else {
      apply(target, source, replay(run), Store::subtract);
      gradient(source, dtarget, dsource, Store::add);
    }
  }
};

}  // namespace retrace::inline RETRACE_ISA
