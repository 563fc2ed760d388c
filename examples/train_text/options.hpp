// The options of the command line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "model.hpp"
#include "run_options.hpp"
#include "text_batches.hpp"

enum class OptimizerKind { adamw, adafactor };

struct Options : RunOptions {
  std::filesystem::path data;
  double held_out = 0.1;             ///< share of the bytes
  std::uint64_t eval_bytes = 65536;  ///< of the held-out bytes, in each evaluation but the last
  std::size_t eval_every = 0;        ///< in steps; 0: ten times in a training
  Windows windows = Windows::random;

  ModelOptions model;
  retrace::Mode mode = retrace::Mode::reversible;
  retrace::Index chunk = 0;           ///< images per chunk in mode `chunked`; 0: fits the cache
  retrace::Index micro_batch = 0;     ///< windows at a time; 0: the whole batch
  std::optional<retrace::Plan> plan;  ///< replaces `mode`
  std::optional<std::size_t> memory;  ///< budget of the plan in bytes, also the limit

  OptimizerKind optimizer = OptimizerKind::adamw;
  bool fused_optimizer = false;
  std::size_t warm_up = 100;
  double beta2 = 0.99;
  std::optional<retrace::DriftPolicy> drift = retrace::DriftPolicy::anchor;
  std::size_t sample = 0;  ///< bytes to print after training

  retrace::Shape batch_shape(retrace::Index windows_) const {
    return {windows_, 1, model.length, 1};
  }
  retrace::Index at_a_time() const {
    return micro_batch > 0 ? std::min(micro_batch, batch) : batch;
  }
  TextBatchOptions batches() const {
    return {static_cast<std::size_t>(batch), static_cast<std::size_t>(model.length), windows, seed};
  }
};

/// @throws HelpWanted if help is requested.
/// @throws std::invalid_argument if an option is unknown or has no valid value.
Options parse_options(int count, const char* const* arguments);

/// Returns the options that determine the result of training, as JSON.
std::string recorded_options(const Options& options);

/// Returns the model of recorded_options().
/// @throws retrace::DataError if the text is not one of them.
ModelOptions recorded_model(const std::string& name, const std::string& json);

/// Returns the name of the mode, such as "chunked", or "planned".
std::string mode_name(const Options& options);
