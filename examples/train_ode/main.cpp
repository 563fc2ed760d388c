// Fits a differential equation to time series.
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>

#include "figure.hpp"
#include "options.hpp"
#include "ranks.hpp"
#include "retrace/cpu/operations.hpp"
#include "retrace/train/crc64.hpp"
#include "text.hpp"
#include "trainer.hpp"
#include "training_run.hpp"

namespace {

/// A checksum of all rows.
std::string checksum(const SeriesFile& file) {
  retrace::Crc64 sum;
  for (const Series& series : file.series) {
    sum.add_values(std::span<const double>(series.times));
    for (const auto& row : series.values) sum.add_values(std::span<const double>(row));
  }
  return sum.digits();
}

void describe(const Windows& windows) {
  const SeriesFile& file = windows.file();
  std::size_t rows = 0;
  for (const Series& series : file.series) rows += series.times.size();
  std::cout << rows << " rows of " << file.series.size() << " series with " << file.columns.size()
            << " columns, " << file.missing << " missing values; " << windows.training().size()
            << " windows for training, " << windows.testing().size() << " for testing\n";
}

/// Returns whether all steps were taken.
bool train(const Options& options, Trainer& trainer, const Windows& windows, const Stop& stop) {
  const nlohmann::ordered_json start_of_line{{"arch", "ode-" + std::string(name(options.method))},
                                             {"mode", name(options.mode)},
                                             {"data", options.data.filename().string()},
                                             {"batch", options.batch},
                                             {"seed", options.seed}};
  TrainingRun run(options,
                  {.options = recorded_options(options),
                   .data = checksum(windows.file()),
                   .mode = std::string(name(options.mode)),
                   .samples = "rows"},
                  stop, trainer);
  const std::string resumed = run.resume();
  Logs logs;
  return run.train(logs, start_of_line, resumed);
}

int run(const Options& options) {
  const Stop stop(options.max_minutes);
  const Windows windows(read_series(options.data, options.columns), options);
  describe(windows);
  Trainer trainer(options, windows);
  const bool finished = train(options, trainer, windows, stop);
  const double error = trainer.test_error(), persistence = trainer.persistence_error();
  std::cout << "test error " << fixed(error, 4) << " of a deviation; with every value as the last "
            << "known one " << fixed(persistence, 4) << " (" << fixed(persistence / error, 2)
            << " times as much)\n";
  if (!options.plot.empty()) {
    draw_figure(options, windows, trainer);
    std::cout << "wrote " << options.plot.string() << '\n';
  }
  if (!finished) print_stop(options, stop);
  return stop.status();
}

}  // namespace

int main(int count, char** arguments) {
  return run_in_one_process("train_ode", [&] { return run(parse_options(count, arguments)); });
}
