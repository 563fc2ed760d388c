// What the command line asks for.
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

/// What to do about a loss or a gradient that is not a finite number.
enum class OnNan { stop, skip };

/// What is changed at random in training samples.
enum class Augment { none, flip, crop, crop_flip };

struct Options {
  Program program;
  NetChoice net;
  bool net_is_open = false;  ///< no option names any of it: it is chosen by the data
  retrace::Index batch = 128;

  std::filesystem::path data;         ///< empty: see load_data
  DataOptions reading;                ///< of the data
  std::optional<int> decode_threads;  ///< none: by the data
  std::optional<Augment> augment;     ///< none: by the data
  std::size_t epochs = 10;
  std::optional<std::size_t> steps;  ///< instead of epochs
  double learning_rate = 0.1;        ///< at its peak
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 5e-4;
  double label_smoothing = 0;
  std::optional<std::uint32_t> crop_padding;  ///< none: an eighth of the shorter side
  double clip = 0, clip_each = 0;  ///< largest norm of all gradients, and of each; 0: any
  std::uint64_t seed = 0;
  std::optional<retrace::DriftOptions> drift = retrace::DriftOptions{};  ///< none: no guard
  OnNan on_nan = OnNan::stop;

  std::filesystem::path checkpoint_dir;  ///< empty: nothing is saved
  std::size_t checkpoint_every = 0;      ///< steps; 0: an epoch
  bool resume = false;
  std::filesystem::path start_from;  ///< weights to start from; empty: drawn ones
  double max_minutes = 0;            ///< 0: as long as it takes

  std::string device{device_kind};
  std::string precision = "float";  ///< of convolutions, on a GPU
  bool cuda_graph = false;          ///< steps are recorded and launched as a whole
  int threads = 0;                  ///< 0: one for each processor
  std::size_t memory_limit = retrace::MemoryMeter::unlimited;
  std::optional<std::size_t> memory;  ///< bytes to plan the modes for, which are the limit too
  std::filesystem::path save_plan;    ///< empty: nowhere
  std::filesystem::path json;         ///< empty: none is written
  bool compare = false, plan = false;
};

/// The command line asks for help, which is the message.
struct HelpWanted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// @throws HelpWanted
/// @throws std::invalid_argument if an option is unknown or has no valid value.
Options parse_options(const Program& program, int count, const char* const* arguments);
