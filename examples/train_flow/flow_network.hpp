// The choice of a flow and its use of memory.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "flow_data.hpp"
#include "retrace/core/prior.hpp"
#include "retrace/cpu/operations.hpp"
#include "retrace/layer/condition.hpp"
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

/// The distribution of the latents; `learned` is normal, with a mean and a deviation per element
/// that are trained.
enum class FlowPrior { normal, logistic, learned };
inline constexpr std::array all_flow_priors{FlowPrior::normal, FlowPrior::logistic,
                                            FlowPrior::learned};
std::string_view name(FlowPrior prior);

/// Returns the usual prior: logistic for NICE (Dinh et al. 2015, §5.1), normal for all others.
FlowPrior usual_prior(FlowArchitecture architecture);

/// The noise that makes images continuous.
enum class FlowNoiseKind { uniform, variational };
inline constexpr std::array all_flow_noise_kinds{FlowNoiseKind::uniform,
                                                 FlowNoiseKind::variational};
std::string_view name(FlowNoiseKind kind);

/// The class of each image of a batch, which the couplings read.
using FlowCondition = retrace::SharedCondition<float, retrace::Cpu>;

struct FlowChoice {
  FlowArchitecture architecture = FlowArchitecture::glow;
  int levels = 0;  ///< 0: chosen by fit_flow_to_data
  int depth = 8, hidden = 2, spline_bins = 8;
  retrace::Index width = 64;
  double tail = 4;
  bool additive = false;
  std::optional<FlowPrior> open_prior{};  ///< std::nullopt: the usual one
  FlowNoiseKind noise = FlowNoiseKind::uniform;
  bool classes = false;  ///< p(x | class)
  std::uint64_t seed = 0;
  retrace::Mode mode = retrace::Mode::reversible;

  FlowPrior prior() const { return open_prior.value_or(usual_prior(architecture)); }
};

/// Returns the prior of the loss and of samples.
retrace::Prior latent_prior(const FlowChoice& choice);

/// Chooses the levels, and the architecture if `open`.
/// @throws std::invalid_argument if the architecture, the noise, the prior or the classes are not
///         for such data or for each other, or the images cannot be halved so often.
void fit_flow_to_data(FlowChoice& choice, bool open, const FlowData& data);

/// Returns a description: "glow, 2 levels of 8 steps, width 64, mode reversible".
std::string to_string(const FlowChoice& choice, const FlowData& data);

/// Builds the network in its mode. Compiled once, because the builders compile slowly.
/// @param condition  of the classes, or null without them
FlowNet build_flow(retrace::Cpu& device, const FlowChoice& choice, const FlowData& data,
                   const FlowCondition& condition);
