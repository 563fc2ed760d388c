// All operations of a GPU.
#pragma once

#include "retrace/core/operations.hpp"
#include "retrace/cuda/augmentation.hpp"
#include "retrace/cuda/conv2d.hpp"
#include "retrace/cuda/elementwise.hpp"
#include "retrace/cuda/fixed_point.hpp"
#include "retrace/cuda/normalise.hpp"
#include "retrace/cuda/pool.hpp"
#include "retrace/cuda/recording.hpp"
#include "retrace/cuda/training.hpp"

namespace retrace::inline RETRACE_ISA {

static_assert(Operations<Cuda, float> && Operations<Cuda, double>);
static_assert(operations::Records<Cuda, float> && operations::Records<Cuda, double>);
static_assert(operations::Augments<Cuda, float> && operations::Augments<Cuda, double>);

}  // namespace retrace::inline RETRACE_ISA
