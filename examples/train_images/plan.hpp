// Predicts the memory of a training step.
#pragma once

#include <iosfwd>

#include "network.hpp"

/// Predicts the peak memory of a step, including parameters and optimizer, without allocating it.
retrace::PeakMemory predict_peak(const NetChoice& choice, retrace::Index images);

/// Prints the memory after each layer and its peak during the layer, in forward and backward, and
/// the composition of the overall peak.
void print_plan(std::ostream& out, const NetChoice& choice, retrace::Index images);
