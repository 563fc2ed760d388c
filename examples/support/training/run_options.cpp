#include "run_options.hpp"

#include <array>

#include "named.hpp"
#include "option_table.hpp"
#include "text.hpp"

namespace {

void add_training_options(OptionTable& table, RunOptions& options, RawRunOptions& raw,
                          const std::string& samples) {
  table.count(
      "--epochs", raw.epochs,
      "passes over the training " + samples + " (default " + std::to_string(options.epochs) + ")",
      1);
  table.count("--steps", options.steps, "batches to train on, instead of --epochs", 1);
  table.count("--batch", raw.batch,
              samples + " in a step (default " + std::to_string(options.batch) + ")", 1);
  table.number("--lr", raw.learning_rate, "highest learning rate of the schedule");
  table.number("--weight-decay", raw.weight_decay,
               "of weights, not of scales, shifts and biases (default " +
                   shortest(options.weight_decay) + ")");
  table.number("--clip", options.clip, "scale gradients down to this norm of all together");
  table.number("--clip-each", options.clip_each, "scale each gradient down to this norm");
  table.count("--seed", options.seed, "of weights, order and random changes (default 0)", 0);
  table.text("--on-nan", raw.on_nan, "WHAT",
             "what to do about a loss or gradient that is not finite: stop (default), or skip "
             "the batch as if it had not been");
}

void add_saving_options(OptionTable& table, RunOptions& options) {
  table.text("--checkpoint-dir", options.checkpoint_dir, "FOLDER",
             "folder to save into: the last two checkpoints and the best one");
  table.count("--checkpoint-every", options.checkpoint_every,
              "steps between two checkpoints (default 0: an epoch)", 0);
  table.flag("--resume", options.resume,
             "continue from the newest checkpoint, or start where there is none; with more "
             "--epochs or --steps than before, training becomes longer");
  table.number("--max-minutes", options.max_minutes,
               "save and stop after that time (default 0: none)");
}

}  // namespace

void add_run_options(OptionTable& table, RunOptions& options, RawRunOptions& raw,
                     const std::string& samples) {
  add_training_options(table, options, raw, samples);
  add_saving_options(table, options);
  table.count("--threads", options.threads,
              "to compute with (default 0: as many as there are processors)", 0);
  table.text("--memory-limit", raw.memory_limit, "BYTES",
             "bytes that all tensors together may take, such as 400M");
  table.text("--json", options.json, "FILE", "file to write one JSON object a step to");
  table.text("--tensorboard", options.tensorboard, "FOLDER",
             "folder to write an event a step to, for TensorBoard");
}

void resolve_run_options(RunOptions& options, const RawRunOptions& raw) {
  options.on_nan = named("--on-nan", raw.on_nan, std::array{OnNan::stop, OnNan::skip},
                         [](OnNan what) { return what == OnNan::stop ? "stop" : "skip"; });
  options.batch = raw.batch.value_or(options.batch);
  options.epochs = raw.epochs.value_or(options.epochs);
  options.learning_rate = raw.learning_rate.value_or(options.learning_rate);
  options.weight_decay = raw.weight_decay.value_or(options.weight_decay);
  if (!raw.memory_limit.empty())
    options.memory_limit = parse_bytes("--memory-limit", raw.memory_limit);
  if (!options.checkpoint_dir.empty()) return;
  if (options.resume)
    throw std::invalid_argument("--resume needs --checkpoint-dir, the folder to continue from");
  if (options.checkpoint_every > 0)
    throw std::invalid_argument(
        "--checkpoint-every needs --checkpoint-dir, the folder to save into");
}
