// The results of a training run as a table row.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "training_log.hpp"

std::vector<std::string> result_head();
std::vector<std::string> result_row(const Run& run);

/// Prints the rows of all training runs as a Markdown table.
void print_markdown(std::ostream& out, const std::vector<Run>& runs);
