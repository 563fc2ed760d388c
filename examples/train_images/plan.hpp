// The memory of a training step, known before the first.
#pragma once

#include <iosfwd>

#include "network.hpp"

/// The peak of a step, with parameters and optimizer, predicted without allocating any of it.
retrace::PeakMemory predict_peak(const NetChoice& choice, retrace::Index images);

/// Writes what is held after each layer and at most during it, forward and backward, and what the
/// peak consists of.
void print_plan(std::ostream& out, const NetChoice& choice, retrace::Index images);
