// The network that is trained, and its optimizer: one type for all architectures.
#pragma once

#include "memory_mode.hpp"
#include "retrace/retrace.hpp"

using Net = retrace::Chain<retrace::Float, retrace::Cpu>;
using Optimizer = retrace::Sgd<float, retrace::Cpu>;
using Batch = retrace::LabelledBatch<float, retrace::Cpu>;

/// Which network, and how it spends memory.
struct NetChoice {
  retrace::Architecture architecture = retrace::Architecture::revnet;
  retrace::NetOptions options;
  MemoryMode mode;
};

/// "hybrid, mode inverted".
std::string to_string(const NetChoice& choice);

/// Compiled once, because the builders of all architectures take the compiler a while.
Net build_net(retrace::Cpu& device, const NetChoice& choice);
