// The options of the command line of train_flow.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "flow_data.hpp"
#include "flow_network.hpp"
#include "run_options.hpp"

struct FlowOptions : RunOptions {
  FlowOptions() {
    batch = 64;
    learning_rate = 1e-3;
    weight_decay = 0;
    clip = 50;
  }

  FlowChoice net;
  bool net_is_open = false;  ///< no option names the network, so the data determine it
  FlowDataOptions data;
  std::optional<retrace::DriftOptions> drift = retrace::DriftOptions{};  ///< std::nullopt: no guard
  std::vector<std::string> frozen;                                       ///< patterns of parameters
  std::optional<std::size_t> memory;  ///< budget of the plan in bytes, also the limit

  std::filesystem::path results;  ///< folder of pictures and scores; empty: none
  retrace::Index samples = 64;
  double temperature = 0.7;
  std::string score;  ///< data to score; empty: the test samples
};

/// @throws HelpWanted if help is requested.
/// @throws std::invalid_argument if an option is unknown or has no valid value.
FlowOptions parse_flow_options(int count, const char* const* arguments);

/// Returns the options that determine the result of training, as JSON.
std::string recorded_flow_options(const FlowOptions& options);
