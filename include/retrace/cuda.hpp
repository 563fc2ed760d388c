// Everything that runs on a GPU. Link Retrace::cuda.
#pragma once

#include "retrace/cuda/augmentation.hpp"
#include "retrace/cuda/conv2d.hpp"
#include "retrace/cuda/cuda.hpp"
#include "retrace/cuda/elementwise.hpp"
#include "retrace/cuda/fixed_point.hpp"
#include "retrace/cuda/normalise.hpp"
#include "retrace/cuda/pool.hpp"
#include "retrace/cuda/recording.hpp"
#include "retrace/cuda/training.hpp"
#include "retrace/retrace.hpp"
#include "retrace/train/device_images.hpp"
#include "retrace/train/recorded_step.hpp"
