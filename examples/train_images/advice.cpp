#include "advice.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "plan.hpp"
#include "text.hpp"

using retrace::Architecture, retrace::Index;

namespace {

struct Fitting {
  NetChoice net;
  Index batch;
  std::size_t bytes;
};

/// Returns the largest of batch, batch/2, batch/4, … that fits.
std::optional<Fitting> largest_fit(const NetChoice& net, Index batch, std::size_t limit) {
  for (; batch > 0; batch /= 2)
    if (const std::size_t bytes = predict_peak(net, batch).bytes.total(); bytes <= limit)
      return Fitting{net, batch, bytes};
  return {};
}

std::vector<Fitting> fits_of_modes(NetChoice net, Index batch, std::size_t limit) {
  std::vector<Fitting> fits;
  net.plan.reset();
  for (MemoryMode mode : memory_modes(net.architecture)) {
    net.mode = mode;
    if (const auto fit = largest_fit(net, batch, limit)) fits.push_back(*fit);
  }
  return fits;
}

/// Returns the fits of the other architectures, as in their papers, in the modes they were designed
/// for.
std::vector<Fitting> fits_of_others(const NetChoice& but, Index batch, std::size_t limit) {
  std::vector<Fitting> fits;
  for (Architecture other : retrace::all_architectures) {
    if (other == but.architecture) continue;
    NetChoice net{.architecture = other,
                  .options = retrace::paper_options(other),
                  .image = but.image,
                  .mode = memory_modes(other).front()};
    net.options.image_channels = but.options.image_channels;
    net.options.classes = but.options.classes;
    if (net.image.h % 8 != 0 || net.image.w % 8 != 0) continue;  // they halve the image three times
    if (const auto fit = largest_fit(net, batch, limit)) fits.push_back(*fit);
  }
  return fits;
}

std::string list(const std::vector<Fitting>& fits) {
  std::string text;
  for (const Fitting& fit : fits)
    text += (text.empty() ? "" : ", ") + ("--arch " + std::string(name(fit.net.architecture))) +
            " --mode " + name(fit.net.mode) + " --batch " + std::to_string(fit.batch) + " (" +
            megabytes(fit.bytes) + ")";
  return text.empty() ? "nothing" : text;
}

}  // namespace

std::string out_of_memory_report(const retrace::OutOfMemory& error, const Options& options) {
  const bool limited = error.limit != retrace::MemoryMeter::unlimited;
  const std::size_t room = limited ? error.limit : error.held.total();
  const Architecture architecture = options.net.architecture;

  const std::vector<Fitting> fits = fits_of_modes(options.net, options.batch, room);
  std::string text = std::string(error.what()) + ". Of " + std::string(name(architecture)) +
                     " would fit, as predicted: " + list(fits) + '.';
  const bool whole_batch_fits = std::any_of(
      fits.begin(), fits.end(), [&](const Fitting& fit) { return fit.batch == options.batch; });
  if (whole_batch_fits || options.net.labels_pixels) return text;
  return text + " Of other networks: " + list(fits_of_others(options.net, options.batch, room)) +
         '.';
}
