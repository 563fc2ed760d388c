#include "checkpoints.hpp"

#include <charconv>
#include <stdexcept>

#include "options_file.hpp"

using retrace::Checkpoint, retrace::CheckpointMetadata, retrace::CheckpointMismatch;

namespace {

/// Returns the shortest text from which std::from_chars reads the same number.
template <class Number>
std::string exact(Number number) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

}  // namespace

CheckpointMetadata checkpoint_metadata(const RunIdentity& run, const TrainingState& state,
                                       int threads) {
  CheckpointMetadata metadata{{"best_accuracy", exact(state.best_accuracy)},
                              {"best_step", exact(state.best_step)},
                              {"data_crc64", run.data},
                              {"instructions", retrace::instruction_set},
                              {"mode", run.mode},
                              {"options", run.options},
                              {"seconds", exact(state.seconds)},
                              {"discarded", exact(state.discarded)},
                              {"step", exact(state.step)},
                              {"threads", exact(threads)}};
  metadata.insert(run.more.begin(), run.more.end());
  return metadata;
}

void require_same_training(const Checkpoint& checkpoint, const RunIdentity& run) {
  const std::string differences = option_differences(checkpoint.metadata("options"), run.options);
  if (!differences.empty())
    throw CheckpointMismatch(checkpoint.name() + " is of another training: " + differences);
  const std::string& recorded = checkpoint.metadata("data_crc64");
  const bool is_former = recorded.size() < run.data.size() && run.former_data;
  if (recorded != (is_former ? run.former_data() : run.data))
    throw CheckpointMismatch(checkpoint.name() + " was trained on other " + run.samples +
                             " than those that are there now");
}

std::string checkpoint_differences(const Checkpoint& checkpoint, const CheckpointMetadata& now) {
  std::string text =
      option_differences(checkpoint.metadata("options"), now.at("options"), Differing::length);
  if (!text.empty())
    text = "note: training has another length: " + text +
           ", so the learning rate goes on as in a training of that length\n";
  for (const char* key : {"mode", "threads", "instructions"})
    if (const std::string& then = checkpoint.metadata(key); then != now.at(key))
      text += std::string("note: ") + key + " was " + then + " and is " + now.at(key) +
              " now, so results may differ in their last bits\n";
  return text;
}

TrainingState recorded_state(const Checkpoint& checkpoint, std::size_t total_steps) {
  const TrainingState state{.step = checkpoint.number<std::size_t>("step"),
                            .discarded = checkpoint.number<std::size_t>("discarded"),
                            .seconds = checkpoint.number<double>("seconds"),
                            .best_step = checkpoint.number<std::size_t>("best_step"),
                            .best_accuracy = checkpoint.number<double>("best_accuracy")};
  if (state.step > total_steps)
    throw std::invalid_argument(checkpoint.name() + " is after step " + std::to_string(state.step) +
                                ", but training is to have " + std::to_string(total_steps) +
                                " steps");
  return state;
}
