// The options that determine the result of training, as checkpoints record them.
#pragma once

#include <string>

#include "options.hpp"

/// Returns the options that determine the result of training: network, images and steps, as JSON.
std::string recorded_options(const Options& options);
