// Trains as the options say: resumes, shows and logs each step, saves, and stops in time.
//
//     const Stop stop(options.max_minutes);
//     Logs logs;
//     TrainingRun run(options, {.options = json, .data = checksum, .mode = mode}, stop, trainer);
//     const std::string resumed = run.resume();
//     const Summary summary = run.train(logs, start_of_line, description + resumed);
//     if (!summary.finished) print_stop(options, stop);
#pragma once

#include <iostream>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>

#include "checkpoints.hpp"
#include "logs.hpp"
#include "progress.hpp"
#include "ranks.hpp"
#include "stop.hpp"

/// @tparam Trainer  has the functions that Checkpoints calls, and `train(listener)`, which calls
///                  `bool listener(const StepReport&)` after each step and ends if it returns
///                  false.
template <class Trainer>
class TrainingRun {
 public:
  /// @param ranks  the processes that train together, or null
  /// @throws std::invalid_argument, std::system_error as Checkpoints does
  TrainingRun(const RunOptions& options, RunIdentity identity, const Stop& stop, Trainer& trainer,
              Ranks* ranks = nullptr)
      : options_(options), stop_(stop), trainer_(trainer), ranks_(ranks) {
    if (!options.checkpoint_dir.empty())
      checkpoints_.emplace(options, std::move(identity), trainer);
  }

  /// Restores the newest checkpoint as Checkpoints::resume does, and returns its lines.
  std::string resume() { return checkpoints_ ? checkpoints_->resume() : std::string(); }

  /// Gives all ranks the first one's tensors, opens the logs, prints the text, and trains until the
  /// last step or a stop of any rank. Returns the result of Trainer::train.
  /// @param start_of_line  starts each line of the JSON log
  auto train(Logs& logs, const nlohmann::ordered_json& start_of_line, const std::string& text) {
    if (ranks_) ranks_->share(trainer_);
    logs.open(options_, trainer_.state().step);
    std::cout << text << std::flush;
    Progress progress;
    return trainer_.train([&](const StepReport& report) {
      const bool stopping = on_any_rank(stop_.wanted());
      progress(report);
      logs.write(start_of_line, report);
      const bool saves = checkpoints_ && checkpoints_->due(report, stopping);
      if (saves) {
        logs.sync();
        checkpoints_->save(report);
      }
      if (ranks_ && on_any_rank(saves)) ranks_->meet();
      return !stopping;
    });
  }

 private:
  bool on_any_rank(bool own) { return ranks_ ? ranks_->any(own) : own; }

  const RunOptions& options_;
  const Stop& stop_;
  Trainer& trainer_;
  Ranks* ranks_;
  std::optional<Checkpoints<Trainer>> checkpoints_;
};

/// Prints the reason of a stop before the last step, and how to continue.
void print_stop(const RunOptions& options, const Stop& stop);
