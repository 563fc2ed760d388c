#include "compare.hpp"

#include <ostream>

#include "table.hpp"
#include "text.hpp"

using retrace::Bytes, retrace::Index, retrace::Use;

namespace {

std::size_t measure_peak(const NetChoice& choice, const DataSet& data, Index images) {
  Device device = make_device(0, "float");
  Net net = build_net(device, choice);
  auto [x, labels] = first_batch(device, choice, data, images);
  retrace::accumulate_gradients(net, x, retrace::cross_entropy(labels));
  const Bytes peak = device.memory().peak();
  return peak[Use::activation] + peak[Use::gradient] + peak[Use::stash] + peak[Use::workspace];
}

std::string times(double number) { return fixed(number, 2) + " x"; }

}  // namespace

double measure_bytes_per_pixel(const NetChoice& net, const DataSet& data) {
  constexpr Index small = 64, large = 128;
  const std::size_t more = measure_peak(net, data, large) - measure_peak(net, data, small);
  return static_cast<double>(more) / static_cast<double>(net.batch_shape(large - small).pixels());
}

void print_comparison(std::ostream& out, const std::string& data_name, const ModeResult& own,
                      const ModeResult& stored) {
  const TrainingSummary &a = own.summary, &b = stored.summary;
  Table table({"", name(own.mode), name(stored.mode), name(stored.mode) + " / " + name(own.mode)});
  table.add({data_name + " test accuracy, first " + std::to_string(a.test->count) + " images",
             percent(a.test->accuracy()), percent(b.test->accuracy()), ""});
  table.add({"images/s", fixed(a.images_per_second, 0), fixed(b.images_per_second, 0),
             times(b.images_per_second / a.images_per_second)});
  const auto add_bytes = [&table](const std::string& title, std::size_t first, std::size_t second) {
    const double ratio = static_cast<double>(second) / static_cast<double>(first);
    table.add({title, megabytes(first), megabytes(second), first == 0 ? "" : times(ratio)});
  };
  for (Use use : retrace::all_uses)
    add_bytes("peak memory: " + spaced(name(use)), a.peak[use], b.peak[use]);
  add_bytes("peak memory: total", a.peak.total(), b.peak.total());
  table.add({"bytes per input pixel", fixed(own.bytes_per_pixel, 0),
             fixed(stored.bytes_per_pixel, 0),
             times(stored.bytes_per_pixel / own.bytes_per_pixel)});
  out << '\n' << table;
}
