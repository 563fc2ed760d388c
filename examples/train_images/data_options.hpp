// The options that select the data and its preparation for training.
#pragma once

#include <optional>
#include <string>

#include "options.hpp"

/// Options that need further parsing.
struct RawDataOptions {
  std::string format, image_size, fit, row_shape, augment, on_bad_image, cache;
  std::optional<retrace::Index> test_samples;
};

void add_data_options(OptionTable& table, Options& options, RawDataOptions& raw);

/// @throws std::invalid_argument if a value is invalid; the message names the option.
void resolve_data(Options& options, const RawDataOptions& raw);

/// Returns the name on a command line, such as "crop-flip".
std::string_view name(Augment augment);
/// Returns the name on a command line, such as "pad".
std::string_view name(Fit fit);
