// Trains the networks of the library on CIFAR-10, or on drawn images where there is no CIFAR-10.
#include <omp.h>

#include <iostream>

#include "advice.hpp"
#include "compare.hpp"
#include "data.hpp"
#include "json_log.hpp"
#include "options.hpp"
#include "plan.hpp"
#include "progress.hpp"
#include "text.hpp"
#include "trainer.hpp"

namespace {

void print_start(const Options& options, const Data& data, const retrace::Cpu& device,
                 retrace::Index parameters) {
  std::cout << to_string(options.net) << ": " << fixed(static_cast<double>(parameters) / 1e6, 2)
            << " M parameters, batch " << options.batch << ", " << data.train.size() << ' '
            << data.train.name << " images, threads " << device.threads() << std::endl;
}

TrainingSummary train(const Options& options, const Data& data, JsonLog* log) try {
  retrace::Cpu device(options.threads);
  device.memory().set_limit(options.memory_limit);
  Trainer trainer(device, options, data);
  print_start(options, data, device, trainer.parameter_count());
  Progress progress(data.train.name);
  return trainer.train([&](const StepReport& report) {
    progress(report);
    if (log) log->write(report, options, data);
  });
} catch (const retrace::OutOfMemory& error) {
  throw std::runtime_error(out_of_memory_report(error, options));
}

void print_summary(const TrainingSummary& summary) {
  std::cout << fixed(summary.images_per_second, 0) << " images/s; peak memory "
            << megabytes(summary.peak.total()) << ':';
  for (retrace::Use use : retrace::all_uses)
    std::cout << ' ' << spaced(name(use)) << ' ' << megabytes(summary.peak[use])
              << (use == retrace::all_uses.back() ? "\n" : ",");
}

ModeResult train_in_mode(Options options, MemoryMode mode, const Data& data, JsonLog* log) {
  options.net.mode = mode;
  return {mode, train(options, data, log), measure_bytes_per_pixel(options.net, data)};
}

void run(const Options& options) {
  if (options.plan) return print_plan(std::cout, options.net, options.batch);
  const Data data = load_data(options.data);
  std::optional<JsonLog> log;
  if (!options.json.empty()) log.emplace(options.json);
  JsonLog* const to = log ? &*log : nullptr;
  if (!options.compare) return print_summary(train(options, data, to));
  const ModeResult own = train_in_mode(options, options.net.mode, data, to);
  const ModeResult stored = train_in_mode(options, MemoryMode{}, data, to);
  print_comparison(std::cout, data.train.name, own, stored);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const Options options = parse_options(count, arguments);
    if (options.threads > 0) omp_set_num_threads(options.threads);
    run(options);
  } catch (const HelpWanted& help) {
    std::cout << help.what();
  } catch (const std::exception& error) {
    std::cout << std::flush;
    std::cerr << "train_cifar10: " << error.what() << '\n';
    return 2;
  }
}
