#include "options.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "named.hpp"
#include "option_table.hpp"

namespace {

using namespace retrace;

std::vector<std::string> comma_separated(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t first = 0; first <= text.size() && !text.empty();) {
    const std::size_t comma = std::min(text.find(',', first), text.size());
    names.push_back(text.substr(first, comma - first));
    first = comma + 1;
  }
  return names;
}

}  // namespace

Options parse_options(int count, const char* const* arguments) {
  CLI::App app(
      "Fits a differential equation to time series with irregular times and missing values: an\n"
      "encoder reads the context of a window, dx/dt = f(t, x) goes on from there, and a decoder\n"
      "reads the predicted rows.",
      "train_ode");
  Options options;
  options.batch = 32;
  options.learning_rate = 0.01;
  options.weight_decay = 1e-4;
  options.clip = 1;
  RawRunOptions raw;
  std::string values, method = "rk4", mode = "reversible";
  OptionTable table(app);
  table.text("--data", options.data, "FILE", "CSV file with a header (required)");
  table.text("--time", options.columns.time, "COLUMN", "numbers or dates; default: the first");
  table.text("--values", values, "A,B", "columns to predict; default: all others");
  table.text("--series", options.columns.series, "COLUMN", "whose entries name the series");
  table.count("--context", options.context, "rows that the encoder reads (24)", 1);
  table.count("--horizon", options.horizon, "rows to predict (24)", 1);
  table.number("--test-share", options.test_share, "last share of each series, for tests (0.2)", 1);
  table.count("--state", options.state, "numbers of the state x (16)", 1);
  table.count("--hidden", options.hidden, "units of the field and the encoder (64)", 1);
  table.choice("--method", method, {"euler", "midpoint", "rk4", "bosh3", "dopri5"},
               "of the solver: euler, midpoint, rk4 (default), bosh3 or dopri5");
  table.count("--steps-per-row", options.steps_per_row, "fixed steps between two rows (1)", 1);
  table.number("--tolerance", options.tolerance, "of adaptive steps; 0: fixed steps (default)");
  table.number("--coupling", options.coupling, "lambda of the solver; 0: chosen (default)", 1);
  table.choice("--mode", mode, {"stored", "reversible"}, "stored or reversible (default)");
  table.text("--plot", options.plot, "FILE", "SVG of predictions and step sizes");
  add_run_options(table, options, raw, "windows");
  parse_command_line(app, count, arguments);
  resolve_run_options(options, raw);
  options.columns.values = comma_separated(values);
  options.method = named("--method", method, all_ode_methods, [](OdeMethod m) { return name(m); });
  options.mode = named("--mode", mode, all_modes, [](Mode m) { return name(m); });
  if (options.data.empty()) throw std::invalid_argument("--data must name a CSV file");
  if (options.tolerance > 0 && !estimates_error(options.method))
    throw std::invalid_argument("--tolerance needs --method bosh3 or dopri5, but it is " + method);
  return options;
}

std::string recorded_options(const Options& options) {
  nlohmann::ordered_json record{{"context", options.context},
                                {"horizon", options.horizon},
                                {"test-share", options.test_share},
                                {"state", options.state},
                                {"hidden", options.hidden},
                                {"method", name(options.method)},
                                {"steps-per-row", options.steps_per_row},
                                {"tolerance", options.tolerance},
                                {"coupling", options.coupling},
                                {"batch", options.batch},
                                {"lr", options.learning_rate},
                                {"weight-decay", options.weight_decay},
                                {"clip", options.clip},
                                {"seed", options.seed}};
  if (!options.columns.time.empty()) record["time"] = options.columns.time;
  if (!options.columns.series.empty()) record["series"] = options.columns.series;
  if (!options.columns.values.empty()) record["values"] = options.columns.values;
  return record.dump();
}
