// The options that every training program has: length, rate, checkpoints, logs, limits.
//
//     struct Options : RunOptions { ... };   // with the options of the program
//     RawRunOptions raw;
//     add_run_options(table, options, raw);  // before parse_command_line
//     resolve_run_options(options, raw);     // after it
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "retrace/core/memory_meter.hpp"
#include "retrace/core/shape.hpp"

class OptionTable;

/// The reaction to a loss or a gradient that is not finite.
enum class OnNan { stop, skip };

struct RunOptions {
  retrace::Index batch = 128;
  std::size_t epochs = 10;
  std::optional<std::size_t> steps;  ///< instead of epochs
  double learning_rate = 0.1;        ///< peak of the schedule
  double weight_decay = 5e-4;
  double clip = 0, clip_each = 0;  ///< largest norm of all gradients, and of each; 0: no limit
  std::uint64_t seed = 0;
  OnNan on_nan = OnNan::stop;

  std::filesystem::path checkpoint_dir;  ///< empty: nothing is saved
  std::size_t checkpoint_every = 0;      ///< in steps; 0: once per epoch
  bool resume = false;
  double max_minutes = 0;  ///< 0: no limit

  int threads = 0;  ///< 0: one per processor
  std::size_t memory_limit = retrace::MemoryMeter::unlimited;
  std::filesystem::path json;         ///< empty: no log
  std::filesystem::path tensorboard;  ///< empty: no events
};

/// Options that need further parsing, or whose defaults depend on other options.
struct RawRunOptions {
  std::string on_nan = "stop", memory_limit;
  std::optional<retrace::Index> batch;
  std::optional<std::size_t> epochs;
  std::optional<double> learning_rate, weight_decay;
};

/// @param samples  what a batch consists of, such as "images"
void add_run_options(OptionTable& table, RunOptions& options, RawRunOptions& raw,
                     const std::string& samples);

/// @throws std::invalid_argument if a value is invalid, or an option lacks another one.
void resolve_run_options(RunOptions& options, const RawRunOptions& raw);
