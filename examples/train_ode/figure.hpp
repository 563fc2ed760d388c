// Draws predictions and step sizes.
#pragma once

#include "options.hpp"
#include "trainer.hpp"
#include "windows.hpp"

/// Writes an SVG with three test windows for the first column (context, known values, prediction)
/// and the steps of the last of them.
/// @throws std::system_error if the file cannot be written.
void draw_figure(const Options& options, const Windows& windows, Trainer& trainer);
