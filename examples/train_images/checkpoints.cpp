#include "checkpoints.hpp"

#include <charconv>

#include "options_file.hpp"

using retrace::Checkpoint, retrace::CheckpointMetadata, retrace::CheckpointMismatch;

namespace {

/// Returns the shortest text from which std::from_chars reads the same number.
template <class Number>
std::string exact(Number number) {
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

/// Describes the modes, which change the order of additions.
std::string modes(const NetChoice& choice) {
  std::string text = mode_name(choice);
  if (choice.plan)
    for (const retrace::PlannedLayer& layer : choice.plan->layers)
      text += ' ' + retrace::mode_name(layer);
  return choice.chunk > 0 ? text + " in chunks of " + std::to_string(choice.chunk) : text;
}

}  // namespace

Checkpoints::Checkpoints(const Options& options, const DataSet& data, Trainer& trainer)
    : options_(options),
      trainer_(trainer),
      data_checksum_(data.checksum),
      folder_(options.checkpoint_dir) {
  if (!options.resume && !folder_.steps().empty())
    throw std::invalid_argument(
        "--checkpoint-dir " + options.checkpoint_dir.string() +
        " holds the checkpoints of a training: pass --resume to continue it, or name another "
        "folder");
}

std::string Checkpoints::resume() {
  if (!options_.resume) return {};
  auto [checkpoint, damaged] = folder_.newest();
  if (!checkpoint)
    return "no checkpoint in " + options_.checkpoint_dir.string() + " yet: starting\n";
  require_same_training(*checkpoint);
  checkpoint->restore(trainer_.tensors());
  trainer_.continue_from({.step = checkpoint->number<std::size_t>("step"),
                          .discarded = checkpoint->number<std::size_t>("discarded"),
                          .seconds = checkpoint->number<double>("seconds"),
                          .best_step = checkpoint->number<std::size_t>("best_step"),
                          .best_accuracy = checkpoint->number<double>("best_accuracy")});
  if (trainer_.state().step > trainer_.total_steps())
    throw std::invalid_argument(
        checkpoint->name() + " is after step " + std::to_string(trainer_.state().step) +
        ", but training is to have " + std::to_string(trainer_.total_steps()) + " steps");
  std::string text;
  for (const std::string& what : damaged) text += what + "; it is called *.damaged from now on\n";
  return text + "continuing after step " + std::to_string(trainer_.state().step) + " from " +
         checkpoint->name() + '\n' + differences(*checkpoint);
}

bool Checkpoints::due(const StepReport& report, bool stopping) const {
  if (stopping || report.step == report.steps) return true;
  return options_.checkpoint_every == 0
             ? report.test.has_value()
             : report.step % options_.checkpoint_every == 0 || report.best;
}

void Checkpoints::save(const StepReport& report) {
  const CheckpointMetadata values = metadata();
  if (report.best) retrace::write_checkpoint(folder_.best(), trainer_.tensors(), values);
  folder_.save(report.step, trainer_.tensors(), values);
}

CheckpointMetadata Checkpoints::metadata() const {
  const TrainingState& state = trainer_.state();
  return {{"best_accuracy", exact(state.best_accuracy)},
          {"best_step", exact(state.best_step)},
          {"data_crc64", data_checksum_},
          {"instructions", retrace::instruction_set},
          {"mode", modes(options_.net)},
          {"options", recorded_options(options_)},
          {"seconds", exact(state.seconds)},
          {"discarded", exact(state.discarded)},
          {"step", exact(state.step)},
          {"threads", exact(trainer_.threads())}};
}

void Checkpoints::require_same_training(const Checkpoint& checkpoint) const {
  const std::string differences =
      option_differences(checkpoint.metadata("options"), recorded_options(options_));
  if (!differences.empty())
    throw CheckpointMismatch(checkpoint.name() + " is of another training: " + differences);
  if (checkpoint.metadata("data_crc64") != data_checksum_)
    throw CheckpointMismatch(checkpoint.name() +
                             " was trained on other images than those that are there now");
}

std::string Checkpoints::differences(const Checkpoint& checkpoint) const {
  const CheckpointMetadata now = metadata();
  std::string text = option_differences(checkpoint.metadata("options"), recorded_options(options_),
                                        Differing::length);
  if (!text.empty())
    text = "note: training has another length: " + text +
           ", so the learning rate goes on as in a training of that length\n";
  for (const char* key : {"mode", "threads", "instructions"})
    if (const std::string& then = checkpoint.metadata(key); then != now.at(key))
      text += std::string("note: ") + key + " was " + then + " and is " + now.at(key) +
              " now, so results may differ in their last bits\n";
  return text;
}
