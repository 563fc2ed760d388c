// Fits a differential equation to time series.
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "checkpoints.hpp"
#include "command_line.hpp"
#include "figure.hpp"
#include "logs.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "retrace/cpu/operations.hpp"
#include "retrace/train/crc64.hpp"
#include "stop.hpp"
#include "text.hpp"
#include "trainer.hpp"

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

void train(const Options& options, Trainer& trainer, const Windows& windows) {
  Logs logs;
  logs.open(options, trainer.state().step);
  const nlohmann::ordered_json description{{"arch", "ode-" + std::string(name(options.method))},
                                           {"mode", name(options.mode)},
                                           {"data", options.data.filename().string()},
                                           {"batch", options.batch},
                                           {"seed", options.seed}};
  std::optional<Checkpoints<Trainer>> checkpoints;
  if (!options.checkpoint_dir.empty()) {
    checkpoints.emplace(options,
                        RunIdentity{.options = recorded_options(options),
                                    .data = checksum(windows.file()),
                                    .mode = std::string(name(options.mode))},
                        trainer);
    std::cout << checkpoints->resume();
  }
  const Stop stop(options.max_minutes);
  Progress progress;
  while (trainer.state().step < trainer.total_steps() && stop.reason().empty()) {
    const StepReport report = trainer.step();
    progress(report);
    logs.write(description, report);
    if (checkpoints && checkpoints->due(report, stop.wanted())) {
      logs.sync();
      checkpoints->save(report);
    }
  }
}

int run(const Options& options) {
  const Windows windows(read_series(options.data, options.columns), options);
  describe(windows);
  Trainer trainer(options, windows);
  train(options, trainer, windows);
  const double error = trainer.test_error(), persistence = trainer.persistence_error();
  std::cout << "test error " << fixed(error, 4) << " of a deviation; with every value as the last "
            << "known one " << fixed(persistence, 4) << " (" << fixed(persistence / error, 2)
            << " times as much)\n";
  if (!options.plot.empty()) {
    draw_figure(options, windows, trainer);
    std::cout << "wrote " << options.plot.string() << '\n';
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return run_and_report("train_ode", [&] { return run(parse_options(count, arguments)); });
}
