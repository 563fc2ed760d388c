// Flows for tables: rows of numbers, [N,1,1,C].
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "retrace/layer/autoregressive.hpp"
#include "retrace/layer/channel_permutation.hpp"
#include "retrace/layer/condition.hpp"
#include "retrace/math/spline.hpp"
#include "retrace/net/flow_parts.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of spline_flow().
struct SplineFlowOptions {
  Index features = 2;            ///< columns of the table
  int steps = 5;                 ///< couplings
  Index width = 128;             ///< of the hidden layers of branches
  int hidden = 2;                ///< their number
  maps::Spline spline{};         ///< bins and tails
  Index condition_channels = 0;  ///< columns of a condition
  std::uint64_t seed = 1;        ///< of the first weights
};

/// Options of masked_flow().
struct MaskedFlowOptions {
  Index features = 2;      ///< columns of the table
  int steps = 5;           ///< autoregressive layers
  Index width = 128;       ///< of the hidden layers
  int hidden = 2;          ///< their number
  double bound = 3;        ///< the scale of a layer is between exp(−bound) and exp(bound)
  std::uint64_t seed = 1;  ///< of the first weights
};

/// A neural spline flow for tables (Durkan et al. 2019, RQ-NSF (C)): ActNorm, then steps of an
/// invertible linear layer and a rational-quadratic spline coupling. One column alone gets splines
/// that depend on nothing.
///
///     auto net = spline_flow<float>(device, {.features = 6});
///     accumulate_gradients(net, rows, negative_log_likelihood());
/// @throws std::invalid_argument for numbers that are not positive, and spline options out of
/// range.
template <class T, Device D>
Chain<T, D> spline_flow(D& device, const SplineFlowOptions& options = {},
                        SharedCondition<T, D> condition = nullptr) {
  require_positive("spline_flow", "features", options.features);
  require_positive("spline_flow", "steps", options.steps);
  require_positive("spline_flow", "width", options.width);
  options.spline.require();
  FlowParts<T, D> make(device, options.seed);
  const Index all = options.features, read = (all + 1) / 2, mapped = all - read;
  const Index more = condition ? options.condition_channels : 0;
  Chain<T, D> net;
  net.add("norm", make.act_norm(all));
  for (int i = 0; i < options.steps; ++i) {
    const std::string step = "step" + std::to_string(i);
    if (all == 1) {
      net.add(step + ".spline",
              Autoregressive(make.masked_branch(1, 1, 1, options.spline), options.spline));
      continue;
    }
    net.add(step + ".linear", make.invertible_conv(all));
    auto branch = make.table_branch(read + more, options.width, options.hidden,
                                    mapped * options.spline.parameters());
    if (condition)
      net.add(step + ".coupling",
              FlowCoupling(Conditioned(std::move(branch), condition, more), options.spline));
    else
      net.add(step + ".coupling", FlowCoupling(std::move(branch), options.spline));
  }
  return net;
}

/// A masked autoregressive flow (Papamakarios et al. 2017), with ActNorm in place of batch
/// normalisation and the columns in reverse order in between. Densities are fast; samples evaluate
/// each branch up to `features` times.
/// @throws std::invalid_argument for numbers that are not positive.
template <class T, Device D>
Chain<T, D> masked_flow(D& device, const MaskedFlowOptions& options = {}) {
  require_positive("masked_flow", "features", options.features);
  require_positive("masked_flow", "steps", options.steps);
  require_positive("masked_flow", "width", options.width);
  FlowParts<T, D> make(device, options.seed);
  const maps::Affine map{options.bound};
  Chain<T, D> net;
  for (int i = 0; i < options.steps; ++i) {
    const std::string step = "step" + std::to_string(i);
    net.add(step + ".norm", make.act_norm(options.features));
    net.add(step + ".affine",
            Autoregressive(make.masked_branch(options.features, options.width, options.hidden, map),
                           map));
    net.add(step + ".reverse", ChannelPermutation<T, D>(options.features));
  }
  return net;
}

}  // namespace retrace::inline RETRACE_ISA
