// oneDNN primitives for the three passes of a convolution, for oneDNN 2.6 or 3.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

#include "retrace/onednn/problem.hpp"

namespace retrace::inline RETRACE_ISA::onednn {

/// The memory layout of activations: NHWC, or the one that oneDNN's kernel prefers.
enum class Layout { nhwc, preferred };

/// Returns extents in oneDNN's order.
inline dnnl::memory::dims plain_dims(Shape shape) { return {shape.n, shape.c, shape.h, shape.w}; }

/// Plain layouts: NHWC for activations, and [k,k,C,K] for weights.
inline dnnl::memory::desc plain_activation(Shape shape) {
  return {plain_dims(shape), dnnl::memory::data_type::f32, dnnl::memory::format_tag::nhwc};
}
inline dnnl::memory::desc plain_weights(Shape w) {
  return {{w.c, w.w, w.n, w.h}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::hwio};
}

/// A primitive and its layouts of x, w and y (or their gradients). The caller provides the
/// scratchpad.
struct Primitive {
  dnnl::primitive run;
  dnnl::memory::desc x, w, y, scratchpad;

  template <class Description>
  Primitive(const Description& pass, dnnl::memory::desc x_layout, dnnl::memory::desc w_layout,
            dnnl::memory::desc y_layout)
      : run(pass),
        x(std::move(x_layout)),
        w(std::move(w_layout)),
        y(std::move(y_layout)),
        scratchpad(pass.scratchpad_desc()) {}
};

namespace detail {

#if DNNL_VERSION_MAJOR >= 3
template <class Kind, class... Arguments>
typename Kind::primitive_desc describe(const dnnl::engine& engine, const dnnl::primitive_attr& attr,
                                       Arguments... arguments) {
  return {engine, arguments..., attr};
}
template <class Kind, class Forward, class... Arguments>
typename Kind::primitive_desc describe_gradient(const dnnl::engine& engine,
                                                const dnnl::primitive_attr& attr,
                                                const Forward& forward, Arguments... arguments) {
  return {engine, arguments..., forward, attr};
}
#else
template <class Kind, class... Arguments>
typename Kind::primitive_desc describe(const dnnl::engine& engine, const dnnl::primitive_attr& attr,
                                       Arguments... arguments) {
  return {typename Kind::desc(arguments...), attr, engine};
}
template <class Kind, class Forward, class... Arguments>
typename Kind::primitive_desc describe_gradient(const dnnl::engine& engine,
                                                const dnnl::primitive_attr& attr,
                                                const Forward& forward, Arguments... arguments) {
  return {typename Kind::desc(arguments...), attr, engine, forward};
}
#endif

}  // namespace detail

/// Creates a primitive.
/// @throws dnnl::error if oneDNN has no such primitive, as for Winograd on most processors.
inline Primitive make_primitive(const dnnl::engine& engine, const Problem& problem, Layout layout,
                                dnnl::algorithm algorithm = dnnl::algorithm::convolution_direct) {
  using dnnl::memory;
  const auto any = [](const memory::dims& extents) {
    return memory::desc(extents, memory::data_type::f32, memory::format_tag::any);
  };
  const auto activation = [&](Shape shape) {
    return layout == Layout::nhwc ? plain_activation(shape) : any(plain_dims(shape));
  };
  const Shape w = problem.w(), out = problem.y();
  const memory::desc x = activation(problem.x()), y = activation(out),
                     weights = any({w.c, w.w, w.n, w.h});
  const Index before = problem.kernel / 2;
  const auto after = [&](Index size, Index outputs) {
    return (outputs - 1) * problem.stride + problem.kernel - size - before;
  };
  const memory::dims strides{problem.stride, problem.stride}, left{before, before},
      right{after(problem.height, out.h), after(problem.width, out.w)};
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);

  const auto forward =
      detail::describe<dnnl::convolution_forward>(engine, attr, dnnl::prop_kind::forward_training,
                                                  algorithm, x, weights, y, strides, left, right);
  switch (problem.pass) {
    case Pass::forward:
      return {forward, forward.src_desc(), forward.weights_desc(), forward.dst_desc()};
    case Pass::input_gradient: {
      const auto pass = detail::describe_gradient<dnnl::convolution_backward_data>(
          engine, attr, forward, algorithm, x, weights, y, strides, left, right);
      return {pass, pass.diff_src_desc(), pass.weights_desc(), pass.diff_dst_desc()};
    }
    case Pass::weight_gradient:
      break;
  }
  const auto pass = detail::describe_gradient<dnnl::convolution_backward_weights>(
      engine, attr, forward, algorithm, x, weights, y, strides, left, right);
  return {pass, pass.src_desc(), pass.diff_weights_desc(), pass.diff_dst_desc()};
}

/// The arguments for executing a primitive.
struct Arguments {
  dnnl::memory x, w, y, scratchpad;
};

inline void execute(const Primitive& primitive, Pass pass, const dnnl::stream& stream,
                    const Arguments& arguments) {
  const auto& [x, w, y, scratchpad] = arguments;
  switch (pass) {
    case Pass::forward:
      return primitive.run.execute(stream, {{DNNL_ARG_SRC, x},
                                            {DNNL_ARG_WEIGHTS, w},
                                            {DNNL_ARG_DST, y},
                                            {DNNL_ARG_SCRATCHPAD, scratchpad}});
    case Pass::input_gradient:
      return primitive.run.execute(stream, {{DNNL_ARG_DIFF_SRC, x},
                                            {DNNL_ARG_WEIGHTS, w},
                                            {DNNL_ARG_DIFF_DST, y},
                                            {DNNL_ARG_SCRATCHPAD, scratchpad}});
    case Pass::weight_gradient:
      return primitive.run.execute(stream, {{DNNL_ARG_SRC, x},
                                            {DNNL_ARG_DIFF_WEIGHTS, w},
                                            {DNNL_ARG_DIFF_DST, y},
                                            {DNNL_ARG_SCRATCHPAD, scratchpad}});
  }
}

}  // namespace retrace::inline RETRACE_ISA::onednn
