#include "logs.hpp"

void Logs::open(const RunOptions& options, std::size_t kept_steps) {
  if (!options.json.empty() && !json_) json_.emplace(options.json, kept_steps);
  if (!options.tensorboard.empty()) board_.emplace(options.tensorboard, kept_steps);
}

void Logs::write(const nlohmann::ordered_json& description, const StepReport& report) {
  if (json_) json_->write(description, report);
  if (board_) board_->write(report);
}

void Logs::sync() {
  if (json_) json_->sync();
  if (board_) board_->sync();
}
