#include "survey.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "for_each.hpp"
#include "retrace/core/error.hpp"
#include "retrace/train/crc64.hpp"

using retrace::DataError, retrace::Index;

namespace {

/// The results of one thread for one sample.
struct Findings {
  std::string error;
  std::string checksum;
  std::vector<double> sums, squares;  ///< of values minus the offsets, by channel
  std::vector<std::uint64_t> class_counts;
};

/// Returns an offset for each channel, which reduces the cancellation in the variance: the values
/// of the first readable pixel. For bytes, differences from the offsets and their sums are exact.
std::vector<double> some_values(const Samples& samples) {
  const auto channels = static_cast<std::size_t>(samples.shape().c);
  std::vector<float> values(static_cast<std::size_t>(samples.shape().size()));
  for (Index sample = 0; sample < samples.size(); ++sample) try {
      samples.read(sample, values);
      return {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(channels)};
    } catch (const DataError&) {
    }
  return std::vector<double>(channels);
}

Findings look_at(const Samples& samples, Index sample, const std::vector<double>& origin) {
  const std::size_t channels = origin.size();
  std::vector<float> values(static_cast<std::size_t>(samples.shape().size()));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(samples.labels_each()));
  Findings found;
  try {
    samples.read(sample, values);
    samples.read_labels(sample, labels);
  } catch (const DataError& error) {
    found.error = error.what();
    return found;
  }
  retrace::Crc64 checksum;
  checksum.add_values(std::span<const float>(values));
  checksum.add_values(std::span<const std::int32_t>(labels));
  found.checksum = checksum.digits();
  found.sums.resize(channels);
  found.squares.resize(channels);
  for (std::size_t i = 0; i < values.size(); i += channels)
    for (std::size_t c = 0; c < channels; ++c) {
      const double value = static_cast<double>(values[i + c]) - origin[c];
      found.sums[c] += value;
      found.squares[c] += value * value;
    }
  for (const std::int32_t label : labels) {
    if (label == no_class) continue;
    const auto at = static_cast<std::size_t>(label);
    if (found.class_counts.size() <= at) found.class_counts.resize(at + 1);
    ++found.class_counts[at];
  }
  return found;
}

template <class Number>
void add(std::vector<Number>& to, const std::vector<Number>& from) {
  to.resize(std::max(to.size(), from.size()));
  for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
}

}  // namespace

Survey survey(const Samples& samples, int threads) {
  constexpr Index at_once = 512;
  const std::vector<double> origin = some_values(samples);
  std::vector<double> sums(origin.size()), squares(origin.size());
  retrace::Crc64 checksum;
  double pixels = 0;
  Survey result;
  for (Index first = 0; first < samples.size(); first += at_once) {
    std::vector<Findings> part(static_cast<std::size_t>(std::min(at_once, samples.size() - first)));
    for_each(std::ssize(part), threads, [&](Index i) {
      part[static_cast<std::size_t>(i)] = look_at(samples, first + i, origin);
    });
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (!part[i].error.empty()) {
        result.bad.push_back({first + static_cast<Index>(i), part[i].error});
        continue;
      }
      checksum.add_values(std::span<const char>(part[i].checksum));
      add(sums, part[i].sums);
      add(squares, part[i].squares);
      add(result.class_counts, part[i].class_counts);
      pixels += static_cast<double>(samples.shape().pixels());
    }
  }
  for (std::size_t c = 0; c < origin.size() && pixels > 0; ++c) {
    const double mean = sums[c] / pixels, variance = squares[c] / pixels - mean * mean;
    result.normalisation.mean.push_back(origin[c] + mean);
    result.normalisation.inverse_deviation.push_back(variance > 0 ? 1 / std::sqrt(variance) : 1);
  }
  result.checksum = checksum.digits();
  return result;
}
