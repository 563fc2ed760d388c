// The program train_text: trains, evaluates, logs and saves.
#pragma once

#include "options.hpp"
#include "ranks.hpp"

/// Returns the exit status of the program.
int train_text(Options options, Ranks& ranks);
