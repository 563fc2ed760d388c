// A plan for a byte budget: made, shown and saved.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "options.hpp"

/// For steps of options.batch images within options.memory. Times of layers that this machine has
/// not seen before are measured, which takes seconds; `out` is told.
/// @throws retrace::NoPlan with the smallest budget that would do.
retrace::Plan make_plan(std::ostream& out, const Options& options);

/// One line a layer.
void print_planned(std::ostream& out, const retrace::Plan& plan);

/// @throws std::runtime_error if the file cannot be written.
void save_plan(const std::filesystem::path& path, const retrace::Plan& plan);
