// What came out of a training, as a row of a table.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "training_log.hpp"

std::vector<std::string> result_head();
std::vector<std::string> result_row(const Run& run);

/// The rows of all trainings as a table in Markdown.
void print_markdown(std::ostream& out, const std::vector<Run>& runs);
