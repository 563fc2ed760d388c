// The options of the command line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "data_set.hpp"
#include "network.hpp"
#include "program.hpp"
#include "run_options.hpp"

/// The random changes of training samples.
enum class Augment { none, flip, crop, crop_flip };

/// The choices that no option makes, so that the data determine them.
struct Open {
  bool architecture = false;
  bool levels = false;  ///< channels and blocks
  bool batch = false, epochs = false, learning_rate = false;
};

struct Options : RunOptions {
  Program program;
  NetChoice net;
  Open open;

  std::filesystem::path data;         ///< empty: see load_data
  DataOptions reading;                ///< options of the data
  std::optional<int> decode_threads;  ///< if omitted, depends on the data
  std::optional<Augment> augment;     ///< if omitted, depends on the data
  std::string class_weights;          ///< "balanced" or one per class; if empty, all are 1
  double momentum = 0.9;              ///< of SGD
  bool nesterov = false;              ///< of SGD
  double beta2 = 0.99;                ///< of AdamW
  std::size_t warm_up = 100;          ///< steps in which the rate of AdamW rises
  double label_smoothing = 0;
  std::optional<std::uint32_t> crop_padding;  ///< if omitted, an eighth of the shorter side
  std::optional<retrace::DriftOptions> drift = retrace::DriftOptions{};  ///< std::nullopt: no guard
  std::filesystem::path start_from;  ///< initial weights; empty: random ones
  std::vector<std::string> freeze;   ///< patterns of parameters that are not trained

  std::string device{device_kind};
  std::string precision = "float";    ///< of convolutions, on a GPU
  bool cuda_graph = false;            ///< records steps and launches each as a whole
  std::optional<std::size_t> memory;  ///< budget of the plan in bytes, also the limit
  std::filesystem::path save_plan;    ///< empty: not saved
  bool compare = false, plan = false;
};

/// @throws HelpWanted if help is requested.
/// @throws std::invalid_argument if an option is unknown or has no valid value.
Options parse_options(const Program& program, int count, const char* const* arguments);
