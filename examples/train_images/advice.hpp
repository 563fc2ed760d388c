// What to do when memory runs out.
#pragma once

#include <string>

#include "options.hpp"

/// The layer, the bytes wanted and held, and which modes and batch sizes are predicted to fit: of
/// this architecture, and of the others where none of its modes fits this batch.
std::string out_of_memory_report(const retrace::OutOfMemory& error, const Options& options);
