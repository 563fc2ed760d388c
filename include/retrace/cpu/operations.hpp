// All operations of the host.
#pragma once

#include "retrace/core/operations.hpp"
#include "retrace/cpu/affine.hpp"
#include "retrace/cpu/attention.hpp"
#include "retrace/cpu/channel_sums.hpp"
#include "retrace/cpu/combine.hpp"
#include "retrace/cpu/conv2d.hpp"
#include "retrace/cpu/dropout.hpp"
#include "retrace/cpu/elementwise.hpp"
#include "retrace/cpu/fixed_point.hpp"
#include "retrace/cpu/gate.hpp"
#include "retrace/cpu/linear.hpp"
#include "retrace/cpu/lsh_attention.hpp"
#include "retrace/cpu/machine.hpp"
#include "retrace/cpu/matmul.hpp"
#include "retrace/cpu/normalise.hpp"
#include "retrace/cpu/pointwise_loss.hpp"
#include "retrace/cpu/pool.hpp"
#include "retrace/cpu/positions.hpp"
#include "retrace/cpu/row_normalise.hpp"
#include "retrace/cpu/signal_noise.hpp"
#include "retrace/cpu/smooth_activation.hpp"
#include "retrace/cpu/softmax.hpp"
#include "retrace/cpu/token_embedding.hpp"
#include "retrace/cpu/token_loss.hpp"
#include "retrace/cpu/update.hpp"

namespace retrace::inline RETRACE_ISA {

static_assert(Operations<Cpu, float> && Operations<Cpu, double>);
static_assert(operations::EmbedsTokens<Cpu, float> && operations::EmbedsTokens<Cpu, double>);
static_assert(operations::TokenLosses<Cpu, float> && operations::TokenLosses<Cpu, double>);
static_assert(operations::AttendsInChunks<Cpu, float> && operations::AttendsInChunks<Cpu, double>);
static_assert(operations::Solves<Cpu, float> && operations::Smooths<Cpu, float>);
static_assert(operations::NarrowState<Cpu, float, math::Bfloat16>);
static_assert(operations::AttendsAndGates<Cpu, float> && operations::AttendsAndGates<Cpu, double>);

}  // namespace retrace::inline RETRACE_ISA
