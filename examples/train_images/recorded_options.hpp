// The options that determine the result of training, as checkpoints record them.
#pragma once

#include <string>

#include "options.hpp"
#include "retrace/train/checkpoint.hpp"

/// Returns the options that determine the result of training: network, images and steps, as JSON.
std::string recorded_options(const Options& options);

/// Returns entries of a checkpoint that `classify` reads: "classes", a list of names, and "input",
/// the size and normalisation of the images.
retrace::CheckpointMetadata recorded_input(const Options& options, const DataSet& data);
