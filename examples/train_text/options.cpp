#include "options.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "named.hpp"
#include "option_table.hpp"
#include "retrace/core/error.hpp"
#include "text.hpp"

namespace {

constexpr std::size_t usual_steps = 1000;

/// Options that need further parsing.
struct RawOptions {
  RawRunOptions run;
  std::string windows = "random", attention = "full", blocks = "reversible", mode, memory,
              optimizer = "adamw", drift_guard;
};

void add_data_options(OptionTable& table, Options& options, RawOptions& raw) {
  table.text("--data", options.data, "PATH",
             "file or folder whose bytes are the text; it may be larger than the memory");
  table.number("--held-out", options.held_out,
               "share of the bytes, at the end, to evaluate on (default 0.1)", 0.9);
  table.count("--length", options.model.length, "bytes of a window (default 256)", 1);
  table.choice("--windows", raw.windows, {"random", "segments"},
               "random (default), or segments: the windows of a batch follow one another");
  table.count("--eval-every", options.eval_every,
              "steps between evaluations (default 0: ten in a training)", 0);
  table.count("--eval-bytes", options.eval_bytes,
              "held-out bytes of each evaluation but the last, which takes all (default 65536)", 1);
  table.count("--sample", options.sample, "bytes of text to print after training (default 0)", 0);
}

void add_model_options(OptionTable& table, Options& options, RawOptions& raw) {
  ModelOptions& model = options.model;
  table.count("--layers", model.layers, "blocks of attention and feed-forward (default 4)", 1);
  table.count("--channels", model.channels,
              "of each half of the reversible state (default 128); a multiple of the heads", 1);
  table.count("--heads", model.heads, "of attention (default 4)", 1);
  table.count("--feed-forward", model.feed_forward, "hidden channels per channel (default 4)", 1);
  table.text("--attention", raw.attention, "KIND",
             "full (default), local, lsh, or pattern: a window of two chunks and lsh in turn");
  table.count("--attention-chunk", model.attention_chunk,
              "positions in a chunk of local and lsh attention (default 64)", 1);
  table.count("--hash-rounds", model.hash_rounds, "of lsh attention (default 2)", 1, 64);
  table.number("--dropout", model.dropout, "share of elements to drop (default 0)", 0.99);
  table.choice("--blocks", raw.blocks, {"reversible", "ordinary"},
               "reversible (default), or ordinary residual blocks, which must be stored");
  table.text("--mode", raw.mode, "MODE",
             "how memory is spent: stored, reversible (default), inverted or chunked");
  table.count("--chunk", options.chunk,
              "windows in a chunk of mode chunked (default: what suits the cache)", 1);
  table.count("--micro-batch", options.micro_batch,
              "windows at a time, whose gradients add up to those of the batch", 1);
  table.text("--memory", raw.memory, "BYTES",
             "bytes that all tensors together may take, such as 2GB: every layer gets the mode "
             "that makes steps fastest within them, in micro-batches if needed");
}

void add_optimizer_options(OptionTable& table, Options& options, RawOptions& raw) {
  table.choice("--optimizer", raw.optimizer, {"adamw", "adafactor"},
               "adamw (default), or adafactor, whose state takes rows + columns of a weight");
  table.flag("--fused-optimizer", options.fused_optimizer,
             "step inside backward, so that gradients take the memory of the largest one");
  table.count("--warm-up", options.warm_up,
              "steps in which the rate rises; it then falls along a cosine (default 100)", 0);
  table.number("--beta2", options.beta2, "decay of AdamW's average of squares (default 0.99)", 1);
  table.text("--drift-guard", raw.drift_guard, "NAME",
             "where reconstructed inputs drift from what they were: anchor (default) discards "
             "the step and keeps the layer's input from then on, refuse stops, off does not look");
}

void resolve_memory(Options& options, const RawOptions& raw) {
  if (raw.memory.empty()) return;
  const std::pair<bool, const char*> others[] = {{!raw.mode.empty(), "--mode"},
                                                 {options.fused_optimizer, "--fused-optimizer"},
                                                 {options.micro_batch > 0, "--micro-batch"},
                                                 {!raw.run.memory_limit.empty(), "--memory-limit"}};
  for (const auto& [given, other] : others)
    if (given)
      throw std::invalid_argument("--memory plans how memory is spent, so " + std::string(other) +
                                  " cannot be given with it");
  options.memory = options.memory_limit = parse_bytes("--memory", raw.memory);
}

/// Throws if a fused optimizer, which has taken its steps when backward ends, excludes an option.
void require_fusible(const Options& options) {
  if (!options.fused_optimizer) return;
  const std::pair<bool, const char*> others[] = {
      {options.clip > 0, "--clip needs all gradients before the first step; use --clip-each"},
      {options.on_nan == OnNan::skip, "--on-nan skip takes a whole step back"},
      {options.micro_batch > 0, "--micro-batch adds up gradients"},
      {options.drift == retrace::DriftPolicy::anchor, "--drift-guard anchor discards steps"}};
  for (const auto& [given, why] : others)
    if (given)
      throw std::invalid_argument("--fused-optimizer steps inside backward, but " +
                                  std::string(why));
}

std::optional<retrace::DriftPolicy> choose_guard(const std::string& text, bool fused) {
  const std::string policy =
      named("--drift-guard", text.empty() ? fused ? "refuse" : "anchor" : text,
            std::array<std::string, 3>{"anchor", "refuse", "off"},
            [](const std::string& each) { return each; });
  if (policy == "off") return {};
  return policy == "anchor" ? retrace::DriftPolicy::anchor : retrace::DriftPolicy::refuse;
}

void resolve(Options& options, const RawOptions& raw) {
  resolve_run_options(options, raw.run);
  if (options.data.empty())
    throw std::invalid_argument("--data is missing: name a file or a folder to learn from");
  if (!raw.run.epochs && !options.steps) options.steps = usual_steps;
  options.windows = raw.windows == "random" ? Windows::random : Windows::segments;
  options.model.attention = named("--attention", raw.attention, all_attention_choices,
                                  [](AttentionChoice kind) { return name(kind); });
  options.model.reversible = raw.blocks == "reversible";
  options.model.seed = options.seed;
  options.mode = named("--mode",
                       !raw.mode.empty()          ? raw.mode
                       : options.model.reversible ? "reversible"
                                                  : "stored",
                       retrace::all_modes, [](retrace::Mode mode) { return retrace::name(mode); });
  if (!options.model.reversible && options.mode != retrace::Mode::stored)
    throw std::invalid_argument("--blocks ordinary must be stored, but --mode is " + raw.mode);
  options.optimizer = raw.optimizer == "adamw" ? OptimizerKind::adamw : OptimizerKind::adafactor;
  options.drift = choose_guard(raw.drift_guard, options.fused_optimizer);
  require_fusible(options);
  options.model.require();
  resolve_memory(options, raw);
}

}  // namespace

Options parse_options(int count, const char* const* arguments) {
  CLI::App app("Trains a language model of bytes on text of yours, reversibly or not.",
               "train_text");
  OptionTable table(app);
  Options options;
  options.batch = 16;
  options.learning_rate = 1e-3;
  options.weight_decay = 0.1;
  RawOptions raw;
  add_data_options(table, options, raw);
  add_model_options(table, options, raw);
  add_optimizer_options(table, options, raw);
  add_run_options(table, options, raw.run, "windows");
  parse_command_line(app, count, arguments);
  resolve(options, raw);
  return options;
}

std::string recorded_options(const Options& options) {
  const ModelOptions& model = options.model;
  nlohmann::ordered_json json{
      {"length", model.length},
      {"layers", model.layers},
      {"channels", model.channels},
      {"heads", model.heads},
      {"feed-forward", model.feed_forward},
      {"attention", name(model.attention)},
      {"attention-chunk", model.attention_chunk},
      {"hash-rounds", model.hash_rounds},
      {"dropout", model.dropout},
      {"blocks", model.reversible ? "reversible" : "ordinary"},
      {"held-out", options.held_out},
      {"windows", options.windows == Windows::random ? "random" : "segments"},
      {"batch", options.batch},
      {"micro-batch", options.micro_batch},
      {"optimizer", options.optimizer == OptimizerKind::adamw ? "adamw" : "adafactor"},
      {"lr", options.learning_rate},
      {"warm-up", options.warm_up},
      {"beta2", options.beta2},
      {"weight-decay", options.weight_decay},
      {"clip", options.clip},
      {"clip-each", options.clip_each},
      {"seed", options.seed}};
  json[options.steps ? "steps" : "epochs"] = options.steps.value_or(options.epochs);
  return json.dump();
}

ModelOptions recorded_model(const std::string& name_of_file, const std::string& text) try {
  const auto json = nlohmann::json::parse(text);
  ModelOptions model;
  model.length = json.at("length").get<retrace::Index>();
  model.layers = json.at("layers").get<retrace::Index>();
  model.channels = json.at("channels").get<retrace::Index>();
  model.heads = json.at("heads").get<retrace::Index>();
  model.feed_forward = json.at("feed-forward").get<retrace::Index>();
  model.attention = named("attention", json.at("attention").get<std::string>(),
                          all_attention_choices, [](AttentionChoice kind) { return name(kind); });
  model.attention_chunk = json.at("attention-chunk").get<retrace::Index>();
  model.hash_rounds = json.at("hash-rounds").get<retrace::Index>();
  model.dropout = json.at("dropout").get<double>();
  model.reversible = json.at("blocks").get<std::string>() == "reversible";
  model.seed = json.at("seed").get<std::uint64_t>();
  model.require();
  return model;
} catch (const nlohmann::json::exception& error) {
  throw retrace::DataError(name_of_file + " is not a checkpoint of train_text: " + error.what());
}

std::string mode_name(const Options& options) {
  return options.plan ? "planned" : std::string(retrace::name(options.mode));
}
