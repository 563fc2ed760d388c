// The options of the command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "retrace/layer/layer.hpp"
#include "retrace/ode/ode_options.hpp"
#include "run_options.hpp"
#include "series.hpp"

struct Options : RunOptions {
  std::filesystem::path data;
  SeriesColumns columns;
  retrace::Index context = 24, horizon = 24;  ///< rows that are read, and predicted
  double test_share = 0.2;                    ///< the last rows of each series
  retrace::Index state = 16, hidden = 64;
  retrace::OdeMethod method = retrace::OdeMethod::rk4;
  retrace::Index steps_per_row = 1;
  double tolerance = 0;  ///< of adaptive steps; 0: fixed steps
  double coupling = 0;   ///< 0: chosen by the library
  retrace::Mode mode = retrace::Mode::reversible;
  std::filesystem::path plot;  ///< empty: none
};

/// @throws HelpWanted, std::invalid_argument as parse_command_line
Options parse_options(int count, const char* const* arguments);

/// Returns the options that determine the result, as JSON.
std::string recorded_options(const Options& options);
