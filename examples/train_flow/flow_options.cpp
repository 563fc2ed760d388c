#include "flow_options.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "named.hpp"
#include "option_table.hpp"

namespace {

struct RawFlowOptions : RawRunOptions {
  std::string arch, prior, dequantization = "uniform", mode = "reversible", drift = "anchor",
                           memory;
};

void add_network_options(OptionTable& table, FlowOptions& options, RawFlowOptions& raw) {
  FlowChoice& net = options.net;
  table.text("--arch", raw.arch, "NAME",
             "nice, realnvp, glow or spline (default: glow for images, spline for tables)");
  table.count("--levels", net.levels,
              "of a network of images, each of which halves height and width (default: as many as "
              "the images allow, 3 at most)",
              1, 8);
  table.count("--depth", net.depth, "steps of each level, or couplings of a table (default 8)", 1,
              256);
  table.count("--width", net.width, "channels within a branch (default 64)", 1, 4096);
  table.count("--hidden", net.hidden, "hidden layers of a branch of a table (default 2)", 1, 16);
  table.count("--spline-bins", net.spline_bins, "pieces of a spline (default 8)", 2, 32);
  table.quantity("--tail", net.tail, "X", "where a spline ends (default 4)");
  table.flag("--additive", net.additive, "couplings of glow add and do not scale");
  table.text("--prior", raw.prior, "NAME",
             "distribution of the latents: normal, logistic, or learned, which is normal with a "
             "trained mean and deviation per element (default: logistic for nice, otherwise "
             "normal)");
  table.text("--dequantization", raw.dequantization, "NAME",
             "noise within a bin that makes images continuous: uniform (default), or variational, "
             "which a second flow draws");
  table.flag("--classes", net.classes,
             "learn p(image | class) by a glow, and draw samples of each class");
  table.text("--mode", raw.mode, "MODE",
             "how memory is spent: reversible (default), stored, inverted or chunked");
  table.text(
      "--memory", raw.memory, "BYTES",
      "choose the modes of all layers for the fastest step within these bytes, such as 400M");
  table.text("--drift-guard", raw.drift, "WHAT",
             "what to do if a reconstructed input is too noisy: anchor (default: store it from "
             "then on), refuse, or off");
  table.text("--freeze", options.frozen, "PATTERN",
             "parameters that are not trained, such as 'level2.*'; may be given several times");
}

void add_data_options(OptionTable& table, FlowOptions& options) {
  FlowDataOptions& data = options.data;
  table.text("--data", data.data, "DATA",
             "moons (default), fashion-mnist, cifar10, a folder of images or of a data set, or a "
             ".csv file of numbers");
  table.count("--bins", data.bins, "values of an element of an image (default 256)", 2, 256);
  table.number("--validation", data.validation,
               "share of the samples to test on if there is no test set (default 0.1)", 0.9);
  table.text("--leave-out", data.left_out, "COLUMN",
             "column of a table to leave out; may be given several times");
  table.count("--train-samples", data.train_samples, "train on the first ones (default 0: all)", 0);
  table.count("--eval-samples", data.test_samples, "test on the first ones (default 0: all)", 0);
}

void add_result_options(OptionTable& table, FlowOptions& options) {
  table.text("--results", options.results, "FOLDER",
             "folder to write to after the last step: samples.png, interpolation.png, "
             "reconstruction.csv, scores.csv, and density.png of two columns");
  table.count("--samples", options.samples,
              "images of samples.png (default 64); with --classes, at least so many, a row per "
              "class",
              1, 10000);
  table.number("--temperature", options.temperature,
               "factor of the latents of samples (default 0.7)", 10);
  table.text("--score", options.score, "DATA",
             "folder, image or .csv file whose samples are scored (default: the test samples)");
}

void resolve(FlowOptions& options, const RawFlowOptions& raw) {
  resolve_run_options(options, raw);
  options.net_is_open = raw.arch.empty();
  if (!raw.arch.empty())
    options.net.architecture = named("--arch", raw.arch, all_flow_architectures,
                                     [](FlowArchitecture arch) { return name(arch); });
  options.net.mode =
      named("--mode", raw.mode, retrace::all_modes, [](retrace::Mode mode) { return name(mode); });
  options.net.seed = options.seed;
  if (!raw.prior.empty())
    options.net.open_prior =
        named("--prior", raw.prior, all_flow_priors, [](FlowPrior prior) { return name(prior); });
  options.net.noise = named("--dequantization", raw.dequantization, all_flow_noise_kinds,
                            [](FlowNoiseKind kind) { return name(kind); });
  options.data.noise = options.net.noise == FlowNoiseKind::uniform;
  options.data.labels = options.net.classes;
  if (options.net.classes && !options.score.empty())
    throw std::invalid_argument(
        "--score does not go with --classes, because the samples of --score have no class");
  using enum retrace::DriftPolicy;
  const std::string drift =
      named("--drift-guard", raw.drift, std::array<std::string, 3>{"anchor", "refuse", "off"},
            [](const std::string& text) { return text; });
  if (drift == "off") options.drift.reset();
  if (drift == "refuse") options.drift->policy = refuse;
  if (raw.memory.empty()) return;
  options.memory = parse_bytes("--memory", raw.memory);
  options.memory_limit = std::min(options.memory_limit, *options.memory);
}

}  // namespace

FlowOptions parse_flow_options(int count, const char* const* arguments) {
  CLI::App app("Trains a normalising flow on images, tables or two moons, and draws from it.",
               "train_flow");
  OptionTable table(app);
  FlowOptions options;
  RawFlowOptions raw;
  add_data_options(table, options);
  add_network_options(table, options, raw);
  add_run_options(table, options, raw, "samples");
  add_result_options(table, options);
  for (const char* name : {"--freeze", "--leave-out"}) app.get_option(name)->take_all();
  parse_command_line(app, count, arguments);
  resolve(options, raw);
  return options;
}

std::string recorded_flow_options(const FlowOptions& options) {
  const FlowChoice& net = options.net;
  nlohmann::ordered_json json{
      {"arch", name(net.architecture)},
      {"levels", net.levels},
      {"depth", net.depth},
      {"width", net.width},
      {"hidden", net.hidden},
      {"spline-bins", net.spline_bins},
      {"tail", net.tail},
      {"additive", net.additive},
      {"drift-guard", !options.drift                                          ? "off"
                      : options.drift->policy == retrace::DriftPolicy::anchor ? "anchor"
                                                                              : "refuse"},
      {"bins", options.data.bins},
      {"validation", options.data.validation},
      {"train-samples", options.data.train_samples},
      {"batch", options.batch},
      {"lr", options.learning_rate},
      {"weight-decay", options.weight_decay},
      {"clip", options.clip},
      {"clip-each", options.clip_each},
      {"seed", options.seed}};
  if (net.prior() != usual_prior(net.architecture)) json["prior"] = name(net.prior());
  if (net.noise != FlowNoiseKind::uniform) json["dequantization"] = name(net.noise);
  if (net.classes) json["classes"] = true;
  if (!options.frozen.empty()) json["freeze"] = options.frozen;
  if (!options.data.left_out.empty()) json["leave-out"] = options.data.left_out;
  json[options.steps ? "steps" : "epochs"] = options.steps.value_or(options.epochs);
  return json.dump();
}
