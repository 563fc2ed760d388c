// Advice for when memory runs out.
#pragma once

#include <string>

#include "options.hpp"

/// Reports the layer, the bytes requested and held, and the modes and batch sizes that are
/// predicted to fit. Includes other architectures if no mode of this one fits the batch.
std::string out_of_memory_report(const retrace::OutOfMemory& error, const Options& options);
