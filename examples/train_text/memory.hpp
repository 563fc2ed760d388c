// Predicts and plans the memory of a training step.
#pragma once

#include <iosfwd>
#include <string>

#include "options.hpp"

/// Returns the predicted peak of a step in micro-batches of `windows`, by a dry run.
retrace::PeakMemory predict_peak(const Options& options, retrace::Index windows);

/// Returns the options with a plan in place of the budget of --memory, and prints it. Layers whose
/// times are not cached are measured, which takes seconds.
/// @throws retrace::NoPlan if no plan fits, with the smallest budget that would.
Options planned(std::ostream& out, Options options);

/// Returns the error and the micro-batches and modes that would fit.
std::string out_of_memory_report(const retrace::OutOfMemory& error, const Options& options);
