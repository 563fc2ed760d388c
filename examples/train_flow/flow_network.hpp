// The choice of a flow and its use of memory.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "flow_data.hpp"
#include "retrace/core/prior.hpp"
#include "retrace/cpu/operations.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/train/guarded_step.hpp"
#include "retrace/train/rules/adamw.hpp"

using FlowNet = retrace::Chain<float, retrace::Cpu>;
using FlowOptimizer = retrace::AdamW<float, retrace::Cpu>;

enum class FlowArchitecture { nice, realnvp, glow, spline };
inline constexpr std::array all_flow_architectures{
    FlowArchitecture::nice, FlowArchitecture::realnvp, FlowArchitecture::glow,
    FlowArchitecture::spline};
/// Returns the name on a command line, such as "glow".
std::string_view name(FlowArchitecture architecture);

/// Returns the distribution of its latents: logistic for NICE (Dinh et al. 2015, §5.1).
retrace::Prior prior_of(FlowArchitecture architecture);

struct FlowChoice {
  FlowArchitecture architecture = FlowArchitecture::glow;
  int levels = 0;  ///< 0: chosen by fit_flow_to_data
  int depth = 8, hidden = 2, spline_bins = 8;
  retrace::Index width = 64;
  double tail = 4;
  bool additive = false;
  std::uint64_t seed = 0;
  retrace::Mode mode = retrace::Mode::reversible;
};

/// Chooses the levels, and the architecture if `open`.
/// @throws std::invalid_argument if the architecture is not for such data, or the images cannot be
///         halved so often.
void fit_flow_to_data(FlowChoice& choice, bool open, const FlowData& data);

/// Returns a description: "glow, 2 levels of 8 steps, width 64, mode reversible".
std::string to_string(const FlowChoice& choice, const FlowData& data);

/// Builds the network in its mode. Compiled once, because the builders compile slowly.
FlowNet build_flow(retrace::Cpu& device, const FlowChoice& choice, const FlowData& data);
