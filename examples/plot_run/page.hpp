// Prints a page on one or several training runs, with a table and figures.
#pragma once

#include <iosfwd>
#include <vector>

#include "training_log.hpp"

/// Prints one HTML document without scripts and external resources.
void print_page(std::ostream& out, const std::vector<Run>& runs);

/// Prints loss, accuracy, peak memory and worst reconstruction of the runs as one SVG picture. Test
/// figures are drawn over those of the batches.
void print_picture(std::ostream& out, const std::vector<Run>& runs);
