#include "options.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <initializer_list>
#include <vector>

#include "data_options.hpp"
#include "named.hpp"
#include "option_table.hpp"
#include "text.hpp"

using retrace::Index;
using namespace std::string_literals;

namespace {

/// The default length of a comparison, which takes a minute or two on two cores.
constexpr std::size_t compare_steps = 100;
constexpr Index compare_eval_images = 1000;
/// The largest batch whose memory a comparison measures.
constexpr Index compare_batch = 128;

/// Options that need further parsing, or whose defaults depend on other options.
struct RawOptions {
  std::string architecture, mode, memory, freeze;
  std::vector<Index> channels, blocks;
  std::string stream = "float", on_overflow = "lower", drift_guard;
  std::optional<double> drift_warn,
      drift_discard;  ///< decibels; the network's thresholds if omitted
  std::optional<double> slope, scale_floor, momentum, beta2, dropout, lipschitz;
  std::optional<Index> patch, heads;
  std::optional<std::size_t> warm_up;
  std::string optimizer;
  RawRunOptions run;
  RawDataOptions data;
};

void add_network_options(OptionTable& table, Options& options, RawOptions& raw) {
  table.text("--arch", raw.architecture, "NAME",
             "resnet, revnet (default), irevnet, layerwise, hybrid, resnet-inplace-abn, revvit (a "
             "reversible transformer on patches) or iresnet" +
                 std::string(options.program.for_cifar10
                                 ? ""
                                 : "; without it and the next two, a small revnet that suits "
                                   "the images"));
  table.list("--channels", raw.channels,
             "of the state, level by level: 40,80,160,320; of each half of the state of revvit: 96",
             whole_number(1));
  table.list("--blocks", raw.blocks, "of each level: 2,2,2,2; layers of revvit: 6",
             whole_number(0));
  table.number("--slope", raw.slope, "of the rectifiers where their input is negative", 1);
  table.number("--scale-floor", raw.scale_floor,
               "of invertible normalisations, whose scale is |gamma| + floor");
  table.text("--mode", raw.mode, "MODE",
             "how memory is spent: stored, checkpoint, checkpoint:K, reversible, inverted or "
             "chunked (default: what the architecture was designed for)");
  table.count("--chunk", options.net.chunk,
              "images in a chunk of mode chunked (default: what suits the cache)", 1);
  table.flag("--fused-optimizer", options.net.fused_optimizer,
             "step inside backward, so that gradients take the memory of the largest one");
  table.count("--micro-batch", options.net.micro_batch,
              "images at a time, whose gradients add up to those of the batch; normalisations "
              "take the statistics of each micro-batch",
              1);
}

void add_vision_options(OptionTable& table, RawOptions& raw) {
  table.count("--patch", raw.patch,
              "pixels of a side of the patches that revvit cuts images into (default 4)", 1, 1024);
  table.count("--heads", raw.heads, "of the attention of revvit (default 4)", 1, 1024);
  table.number("--dropout", raw.dropout, "share of elements that revvit drops (default 0)", 0.99);
}

void add_residual_options(OptionTable& table, RawOptions& raw) {
  table.number("--lipschitz", raw.lipschitz,
               "largest Lipschitz constant of the branches of iresnet (default 0.9)", 0.999);
}

void add_stream_options(OptionTable& table, Options& options, RawOptions& raw) {
  table.text("--stream", raw.stream, "NAME",
             "what reversible blocks hold their state in: float (default), fixed32 or fixed16, "
             "which are retraced exactly");
  table.list("--fraction-bits", options.net.options.fraction_bits,
             "of a fixed stream, for all levels or for each (default: chosen from the first batch)",
             whole_number(0, 64));
  table.text("--on-overflow", raw.on_overflow, "NAME",
             "of a fixed stream: lower (default) discards the step and takes a fraction bit "
             "less, refuse stops");
}

void add_drift_options(OptionTable& table, RawOptions& raw) {
  table.text("--drift-guard", raw.drift_guard, "NAME",
             "where reconstructed inputs drift from what they were: anchor (default) discards "
             "the step and keeps the layer's input from then on, refuse stops, off does not "
             "look");
  table.quantity(
      "--drift-warn", raw.drift_warn, "DB",
      "signal-to-noise ratio below which a warning names the layer (default 80, where gradients "
      "are estimated to be 5 % off; 40 for layerwise, hybrid and resnet-inplace-abn)");
  table.quantity("--drift-discard", raw.drift_discard, "DB",
                 "signal-to-noise ratio below which a step is skipped (default 68: 10 %; 20 for "
                 "layerwise, hybrid and resnet-inplace-abn)");
}

void add_device_options(OptionTable& table, Options& options) {
  table.choice("--device", options.device, {"cpu", "cuda"},
               "cpu (default), or cuda for an NVIDIA GPU");
  table.choice("--precision", options.precision, {"float", "tf32", "half", "bfloat16"},
               "what --device cuda rounds operands of convolutions to: float (default), tf32, "
               "half or bfloat16",
               "TYPE");
  table.flag("--cuda-graph", options.cuda_graph,
             "record a step of --device cuda once and launch it as a whole from then on");
}

void add_training_options(OptionTable& table, Options& options, RawOptions& raw) {
  table.choice("--optimizer", raw.optimizer, {"sgd", "adamw"},
               "sgd with one cycle of the learning rate, or adamw with a rise and a cosine "
               "(default: adamw for revvit, otherwise sgd)");
  table.number("--momentum", raw.momentum, "of SGD (default 0.9)", 1);
  table.flag("--nesterov", options.nesterov, "let momentum look ahead (Nesterov's)");
  table.number("--beta2", raw.beta2, "decay of AdamW's average of squares (default 0.99)", 1);
  table.count("--warm-up", raw.warm_up,
              "steps in which the rate of AdamW rises (default 100, at most half of all)", 0);
  table.number("--label-smoothing", options.label_smoothing,
               "share of a label's weight that all classes get alike (default 0)", 1);
  table.text("--start-from", options.start_from, "FILE",
             "safetensors file of weights to start from; layers of another shape there, such "
             "as the head for other classes, start as they would without it");
  table.text("--freeze", raw.freeze, "NAME,NAME",
             "parameters or layers that are not trained, such as stem,level1.*");
}

void add_planning_options(OptionTable& table, Options& options, RawOptions& raw) {
  table.text("--memory", raw.memory, "BYTES",
             "bytes that all tensors together may take, such as 150M: every layer gets the mode "
             "that makes steps fastest within them");
  table.text("--save-plan", options.save_plan, "FILE", "file to write the plan to, as JSON");
  table.flag("--compare", options.compare,
             "train the same network with stored activations as well, and compare");
  table.flag("--plan", options.plan, "print the memory a step will take, and train nothing");
}

void choose_stream(retrace::NetOptions& net, const RawOptions& raw) {
  using enum retrace::OnOverflow;
  net.stream = named("--stream", raw.stream, retrace::all_streams,
                     [](retrace::Stream stream) { return retrace::name(stream); });
  if (net.stream == retrace::Stream::floating && !net.fraction_bits.empty())
    throw std::invalid_argument("--fraction-bits are of --stream fixed32 or fixed16");
  net.fixed.on_overflow =
      named("--on-overflow", raw.on_overflow, std::array{lower, refuse},
            [](retrace::OnOverflow policy) { return policy == lower ? "lower" : "refuse"; });
}

/// Returns the thresholds for a network. The gradient-error estimate behind the defaults is far too
/// high for networks that invert their activations (docs/numerics.md).
retrace::DriftOptions drift_thresholds(const RawOptions& raw, Architecture architecture) {
  using enum Architecture;
  const bool inverts =
      architecture == layerwise || architecture == hybrid || architecture == resnet_inplace_abn;
  retrace::DriftOptions options;
  options.warn_below = raw.drift_warn.value_or(inverts ? 40 : options.warn_below);
  options.discard_below = raw.drift_discard.value_or(inverts ? 20 : options.discard_below);
  if (options.discard_below > options.warn_below)
    throw std::invalid_argument("--drift-discard must not be above --drift-warn, but is " +
                                fixed(options.discard_below, 1) + " above " +
                                fixed(options.warn_below, 1));
  return options;
}

std::optional<retrace::DriftOptions> choose_guard(const RawOptions& raw, const NetChoice& net) {
  const bool fused_optimizer = net.fused_optimizer;
  const std::string usual = fused_optimizer ? "refuse" : "anchor";
  const std::string policy =
      named("--drift-guard", raw.drift_guard.empty() ? usual : raw.drift_guard,
            std::array{"anchor"s, "refuse"s, "off"s}, std::identity());
  if (fused_optimizer && policy == "anchor")
    throw std::invalid_argument(
        "--drift-guard anchor discards a step after backward, but --fused-optimizer has taken it "
        "by then: use --drift-guard refuse or off, or leave --fused-optimizer out");
  retrace::DriftOptions options = drift_thresholds(raw, net.architecture);
  if (policy == "off") return {};
  options.policy = policy == "anchor" ? retrace::DriftPolicy::anchor : retrace::DriftPolicy::refuse;
  return options;
}

/// An option that not every network or optimizer has.
struct SpecialOption {
  bool given;
  const char* name;
  bool foreign;  ///< the chosen one does not have it
};

/// Throws if an option is given that the choice, such as "--arch revvit", does not have.
void refuse_foreign(std::initializer_list<SpecialOption> options, const std::string& choice) {
  for (const SpecialOption& option : options)
    if (option.given && option.foreign)
      throw std::invalid_argument(std::string(option.name) + " is not for " + choice +
                                  ": leave it out");
}

void choose_vision(NetChoice& net, const RawOptions& raw) {
  const bool vision = net.architecture == Architecture::revvit;
  const bool residual = net.architecture == Architecture::iresnet;
  refuse_foreign({{raw.lipschitz.has_value(), "--lipschitz", !residual},
                  {raw.patch.has_value(), "--patch", !vision},
                  {raw.heads.has_value(), "--heads", !vision},
                  {raw.dropout.has_value(), "--dropout", !vision},
                  {raw.slope.has_value(), "--slope", vision || residual},
                  {raw.scale_floor.has_value(), "--scale-floor", vision || residual}},
                 "--arch " + std::string(name(net.architecture)));
  net.lipschitz = raw.lipschitz.value_or(net.lipschitz);
  if (!vision) return;
  net.vision.patch = raw.patch.value_or(net.vision.patch);
  net.vision.heads = raw.heads.value_or(net.vision.heads);
  net.vision.dropout = raw.dropout.value_or(net.vision.dropout);
  if (net.options.channels.size() != 1)
    throw std::invalid_argument("--channels and --blocks of revvit are one number each, but " +
                                std::to_string(net.options.channels.size()) + " are given");
  if (net.options.channels[0] % net.vision.heads != 0)
    throw std::invalid_argument("--channels is " + std::to_string(net.options.channels[0]) +
                                ", but must be a multiple of --heads " +
                                std::to_string(net.vision.heads));
}

NetChoice choose_net(const Options& options, const RawOptions& raw) {
  NetChoice net = options.net;
  if (!raw.architecture.empty())
    net.architecture = named("--arch", raw.architecture, all_architectures,
                             [](Architecture each) { return name(each); });
  net.options = usual_size(net.architecture);
  net.options.fraction_bits = options.net.options.fraction_bits;
  choose_stream(net.options, raw);
  if (!raw.channels.empty()) net.options.channels = raw.channels;
  if (!raw.blocks.empty()) net.options.blocks = raw.blocks;
  if (net.options.channels.size() != net.options.blocks.size())
    throw std::invalid_argument("--channels has " + std::to_string(net.options.channels.size()) +
                                " levels, but --blocks has " +
                                std::to_string(net.options.blocks.size()));
  choose_vision(net, raw);
  net.options.slope = raw.slope.value_or(net.options.slope);
  net.options.scale_floor = raw.scale_floor.value_or(net.options.scale_floor);
  net.options.seed = options.seed;
  net.mode = raw.mode.empty() ? memory_modes(net.architecture).front()
                              : parse_memory_mode(raw.mode, net.architecture);
  return net;
}

/// Returns a learning rate that also suits small batches; recipes for a batch of 128 use higher
/// ones. A small rate prevents a layer-wise net's inverses from amplifying noise, and the wide last
/// level of an i-RevNet from overshooting.
double usual_learning_rate(Architecture architecture, Rule rule) {
  if (rule == Rule::adamw) return 1e-3;
  switch (architecture) {
    case Architecture::layerwise:
      return 0.01;
    case Architecture::irevnet:
      return 0.005;
    default:
      return 0.1;
  }
}

/// Chooses the rule of the optimizer, its options and the defaults that depend on it.
void choose_optimizer(Options& options, const RawOptions& raw) {
  constexpr double usual_decay_of_adamw = 0.05;
  NetChoice& net = options.net;
  if (raw.optimizer.empty())
    net.rule = net.architecture == Architecture::revvit ? Rule::adamw : Rule::sgd;
  else
    net.rule = raw.optimizer == "adamw" ? Rule::adamw : Rule::sgd;
  const bool adamw = net.rule == Rule::adamw;
  refuse_foreign({{raw.momentum.has_value(), "--momentum", adamw},
                  {options.nesterov, "--nesterov", adamw},
                  {raw.beta2.has_value(), "--beta2", !adamw},
                  {raw.warm_up.has_value(), "--warm-up", !adamw}},
                 "--optimizer " + std::string(name(net.rule)));
  options.momentum = raw.momentum.value_or(options.momentum);
  options.beta2 = raw.beta2.value_or(options.beta2);
  options.warm_up = raw.warm_up.value_or(options.warm_up);
  options.learning_rate = usual_learning_rate(net.architecture, net.rule);
  if (adamw) options.weight_decay = usual_decay_of_adamw;
}

/// Throws if an option needs the host during a step, which a recorded step does not allow.
void require_recordable(const Options& options) {
  if (options.device == "cpu") throw std::invalid_argument("--cuda-graph is for --device cuda");
  const std::pair<bool, const char*> others[] = {
      {options.drift.has_value(), "needs --drift-guard off: a guard looks at each reconstruction"},
      {options.on_nan == OnNan::skip, "cannot skip a step with --on-nan skip"},
      {options.clip > 0 || options.clip_each > 0, "cannot be given with --clip or --clip-each"},
      {options.net.fused_optimizer, "cannot be given with --fused-optimizer"},
      {options.net.rule == Rule::adamw, "needs --optimizer sgd: adamw counts steps on the host"},
      {options.net.micro_batch > 0, "cannot be given with --micro-batch"},
      {options.net.options.stream != retrace::Stream::floating,
       "cannot be given with --stream, whose overflows are counted"},
      {options.memory.has_value(), "cannot be given with --memory"}};
  for (const auto& [given, why] : others)
    if (given)
      throw std::invalid_argument("--cuda-graph launches a whole step at once, so it " +
                                  std::string(why));
}

void require_possible(const Options& options) {
  if (options.cuda_graph) require_recordable(options);
  if (options.precision != "float" && options.device == "cpu")
    throw std::invalid_argument("--precision " + options.precision +
                                " is for --device cuda: the processor computes in float");
  if (!options.net.fused_optimizer) return;
  if (options.clip > 0)
    throw std::invalid_argument(
        "--clip needs the norm of all gradients before the first step, but --fused-optimizer has "
        "taken steps by then: use --clip-each, or leave --fused-optimizer out");
  if (options.on_nan == OnNan::skip)
    throw std::invalid_argument(
        "--on-nan skip takes a whole step back, but --fused-optimizer has taken parts of it by "
        "then: leave one out");
  if (options.net.micro_batch > 0)
    throw std::invalid_argument(
        "--micro-batch adds up gradients, which --fused-optimizer does not keep: leave one out");
}

/// Applies --memory, which excludes the options that it replaces.
void resolve_memory(Options& options, const RawOptions& raw) {
  if (raw.memory.empty()) {
    if (!options.save_plan.empty())
      throw std::invalid_argument("--save-plan saves what --memory plans: give that too");
    return;
  }
  const std::pair<bool, const char*> others[] = {{!raw.mode.empty(), "--mode"},
                                                 {options.net.fused_optimizer, "--fused-optimizer"},
                                                 {options.net.micro_batch > 0, "--micro-batch"},
                                                 {!raw.run.memory_limit.empty(), "--memory-limit"},
                                                 {options.compare, "--compare"}};
  for (const auto& [given, name] : others)
    if (given)
      throw std::invalid_argument("--memory plans how memory is spent, so " + std::string(name) +
                                  " cannot be given with it");
  options.memory = options.memory_limit = parse_bytes("--memory", raw.memory);
}

void resolve(Options& options, const RawOptions& raw) {
  if (!options.program.for_cifar10) {
    options.open.levels = raw.channels.empty() && raw.blocks.empty();
    options.open.architecture = raw.architecture.empty();
    options.open.batch = !raw.run.batch;
    options.open.epochs = !raw.run.epochs && !options.steps;
    options.open.learning_rate = !raw.run.learning_rate && raw.architecture.empty();
  }
  options.net = choose_net(options, raw);
  options.drift = choose_guard(raw, options.net);
  choose_optimizer(options, raw);
  resolve_run_options(options, raw.run);
  for (std::size_t first = 0; first < raw.freeze.size();) {
    options.freeze.push_back(raw.freeze.substr(first, raw.freeze.find(',', first) - first));
    first += options.freeze.back().size() + 1;
  }
  require_possible(options);
  resolve_data(options, raw.data);
  if (options.compare && !raw.data.test_samples) options.reading.test_samples = compare_eval_images;
  resolve_memory(options, raw);
  if (!options.compare) return;
  if (!options.checkpoint_dir.empty())
    throw std::invalid_argument("--compare trains two networks, but --checkpoint-dir is for one");
  if (!raw.run.epochs && !options.steps) options.steps = compare_steps;
  if (options.reading.train_samples > 0 && options.reading.train_samples < compare_batch)
    throw std::invalid_argument("--compare measures a step of " + std::to_string(compare_batch) +
                                " images, but --train-images is " +
                                std::to_string(options.reading.train_samples));
  if (options.net.mode == MemoryMode{})
    throw std::invalid_argument(
        "--compare sets another mode beside stored, so --mode must not be " +
        name(options.net.mode) + "; the modes of " + std::string(name(options.net.architecture)) +
        " are " + memory_mode_names(options.net.architecture));
}

}  // namespace

Options parse_options(const Program& program, int count, const char* const* arguments) {
  CLI::App app(program.description, program.name);
  OptionTable table(app);
  Options options;
  options.program = program;
  RawOptions raw;
  add_data_options(table, options, raw.data);
  add_network_options(table, options, raw);
  add_vision_options(table, raw);
  add_residual_options(table, raw);
  add_stream_options(table, options, raw);
  add_drift_options(table, raw);
  add_device_options(table, options);
  add_run_options(table, options, raw.run, "images");
  add_training_options(table, options, raw);
  add_planning_options(table, options, raw);
  parse_command_line(app, count, arguments);
  resolve(options, raw);
  return options;
}
