// Flows on the host: networks, layers, likelihoods, samples.
#pragma once

#include "retrace/core/flow_operations.hpp"
#include "retrace/cpu/dequantise.hpp"
#include "retrace/cpu/flow_maps.hpp"
#include "retrace/cpu/operations.hpp"
#include "retrace/cpu/prior.hpp"
#include "retrace/layer/dequantisation.hpp"
#include "retrace/layer/element_map.hpp"
#include "retrace/net/flow_sampling.hpp"
#include "retrace/net/flows.hpp"
#include "retrace/net/real_nvp.hpp"
#include "retrace/net/table_flows.hpp"
#include "retrace/net/variational_dequantisation.hpp"
#include "retrace/train/loss/negative_log_likelihood.hpp"
#include "retrace/train/step.hpp"

namespace retrace::inline RETRACE_ISA {

static_assert(operations::Flows<Cpu, float, maps::Affine, Pixels>);
static_assert(operations::Flows<Cpu, double, maps::Spline, Pixels>);

}  // namespace retrace::inline RETRACE_ISA
