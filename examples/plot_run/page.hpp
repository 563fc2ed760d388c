// The page of one or several trainings: a table and figures that need nothing but a browser.
#pragma once

#include <iosfwd>
#include <vector>

#include "training_log.hpp"

/// One HTML document without scripts and without anything from elsewhere.
void print_page(std::ostream& out, const std::vector<Run>& runs);
