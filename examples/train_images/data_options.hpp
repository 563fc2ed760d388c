// The options that name the data, and say what becomes of it before it is trained on.
#pragma once

#include <optional>
#include <string>

#include "options.hpp"

namespace CLI {
class App;
}

/// What has a notation of its own.
struct RawDataOptions {
  std::string format, image_size, fit, row_shape, augment, on_bad_image, cache;
  std::optional<retrace::Index> test_samples;
};

void add_data_options(CLI::App& app, Options& options, RawDataOptions& raw);

/// @throws std::invalid_argument naming the option.
void resolve_data(Options& options, const RawDataOptions& raw);

/// "crop-flip", as on a command line.
std::string_view name(Augment augment);
