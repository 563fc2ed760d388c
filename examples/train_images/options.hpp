// The options of the command line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "data_set.hpp"
#include "network.hpp"
#include "program.hpp"

/// The reaction to a loss or a gradient that is not finite.
enum class OnNan { stop, skip };

/// The random changes of training samples.
enum class Augment { none, flip, crop, crop_flip };

struct Options {
  Program program;
  NetChoice net;
  bool net_is_open = false;  ///< no option describes the network, so the data determine it
  retrace::Index batch = 128;

  std::filesystem::path data;         ///< empty: see load_data
  DataOptions reading;                ///< options of the data
  std::optional<int> decode_threads;  ///< if omitted, depends on the data
  std::optional<Augment> augment;     ///< if omitted, depends on the data
  std::string class_weights;          ///< "balanced" or one per class; if empty, all are 1
  std::size_t epochs = 10;
  std::optional<std::size_t> steps;  ///< instead of epochs
  double learning_rate = 0.1;        ///< peak of the schedule
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 5e-4;
  double label_smoothing = 0;
  std::optional<std::uint32_t> crop_padding;  ///< if omitted, an eighth of the shorter side
  double clip = 0, clip_each = 0;  ///< largest norm of all gradients, and of each; 0: no limit
  std::uint64_t seed = 0;
  std::optional<retrace::DriftOptions> drift = retrace::DriftOptions{};  ///< std::nullopt: no guard
  OnNan on_nan = OnNan::stop;

  std::filesystem::path checkpoint_dir;  ///< empty: nothing is saved
  std::size_t checkpoint_every = 0;      ///< in steps; 0: once per epoch
  bool resume = false;
  std::filesystem::path start_from;  ///< initial weights; empty: random ones
  double max_minutes = 0;            ///< 0: no limit

  std::string device{device_kind};
  std::string precision = "float";  ///< of convolutions, on a GPU
  bool cuda_graph = false;          ///< records steps and launches each as a whole
  int threads = 0;                  ///< 0: one per processor
  std::size_t memory_limit = retrace::MemoryMeter::unlimited;
  std::optional<std::size_t> memory;  ///< budget of the plan in bytes, also the limit
  std::filesystem::path save_plan;    ///< empty: not saved
  std::filesystem::path json;         ///< empty: no log
  bool compare = false, plan = false;
};

/// Thrown if the command line requests help. The message is the help text.
struct HelpWanted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// @throws HelpWanted if help is requested.
/// @throws std::invalid_argument if an option is unknown or has no valid value.
Options parse_options(const Program& program, int count, const char* const* arguments);
