// Everything that runs on a GPU. Link Retrace::cuda.
#pragma once

#include "retrace/cuda/operations.hpp"
#include "retrace/retrace.hpp"
#include "retrace/train/device_images.hpp"
#include "retrace/train/recorded_step.hpp"
