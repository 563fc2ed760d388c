#include "advice.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "plan.hpp"
#include "text.hpp"

using retrace::Index;

namespace {

struct Fitting {
  NetChoice net;
  Index batch;
  std::size_t bytes;
};

/// Returns the largest of batch, batch/2, batch/4, … that fits.
std::optional<Fitting> largest_fit(const NetChoice& net, Index batch, std::size_t limit) try {
  for (; batch > 0; batch /= 2)
    if (const std::size_t bytes = predict_peak(net, batch).bytes.total(); bytes <= limit)
      return Fitting{net, batch, bytes};
  return {};
} catch (const retrace::ShapeError&) {  // a batch too small for a normalisation
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

/// Returns the fits of the other architectures, of their usual sizes, in the modes they were
/// designed for.
std::vector<Fitting> fits_of_others(const NetChoice& but, Index batch, std::size_t limit) {
  std::vector<Fitting> fits;
  for (Architecture other : all_architectures) {
    if (other == but.architecture) continue;
    NetChoice net{.architecture = other,
                  .options = usual_size(other),
                  .image = but.image,
                  .mode = memory_modes(other).front(),
                  .rule = but.rule};
    net.options.image_channels = but.options.image_channels;
    net.options.classes = but.options.classes;
    const Index multiple = image_multiple(net);
    if (net.image.h % multiple != 0 || net.image.w % multiple != 0) continue;
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
