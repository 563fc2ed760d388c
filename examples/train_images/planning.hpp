// Makes, prints and saves a plan for a byte budget.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "options.hpp"

/// Makes a plan for steps of options.batch images within options.memory bytes. Layers whose times
/// are not cached are measured, which takes seconds and is reported on `out`.
/// @throws retrace::NoPlan if no plan fits, with the smallest budget that would.
retrace::Plan make_plan(std::ostream& out, const Options& options);

/// Prints one line per layer.
void print_planned(std::ostream& out, const retrace::Plan& plan);

/// @throws std::runtime_error if the file cannot be written.
void save_plan(const std::filesystem::path& path, const retrace::Plan& plan);
