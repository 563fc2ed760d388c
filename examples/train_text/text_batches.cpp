#include "text_batches.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "retrace/core/error.hpp"
#include "retrace/math/philox.hpp"

namespace {

/// Returns a place of [0, places), by 64 random bits.
std::uint64_t random_place(const TextBatchOptions& options, std::size_t step, std::size_t window,
                           std::uint64_t places) {
  const auto at = static_cast<std::uint64_t>(step), of = static_cast<std::uint64_t>(window);
  const retrace::PhiloxCounter words =
      retrace::philox({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at >> 32),
                       static_cast<std::uint32_t>(of), static_cast<std::uint32_t>(of >> 32)},
                      retrace::philox_key(options.seed ^ retrace::substream("windows")));
  return ((std::uint64_t{words[0]} << 32) | words[1]) % places;
}

/// Appends the tokens and the labels of a window.
void append(TextBatch& batch, const Corpus& corpus, std::uint64_t place, std::size_t length) {
  std::vector<std::uint8_t> bytes(length + 1);
  corpus.read(place, bytes);
  batch.tokens.insert(batch.tokens.end(), bytes.begin(), bytes.end() - 1);
  batch.labels.insert(batch.labels.end(), bytes.begin() + 1, bytes.end());
}

void require_bytes(const Corpus& corpus, const std::string& part, std::uint64_t bytes,
                   std::size_t length) {
  if (bytes > length) return;
  throw retrace::DataError("--length is " + std::to_string(length) + ", but the " + part +
                           " part of " + corpus.name() + " has " + std::to_string(bytes) +
                           " bytes: " +
                           (bytes >= 2 ? "the length must be at most " + std::to_string(bytes - 1)
                                       : std::string("the text must be longer")));
}

}  // namespace

TextSplit::TextSplit(const Corpus& corpus, double held_out, std::size_t length)
    : corpus_(corpus),
      cut_(corpus.size() - static_cast<std::uint64_t>(
                               std::llround(static_cast<double>(corpus.size()) * held_out))) {
  require_bytes(corpus, "training", training_bytes(), length);
  require_bytes(corpus, "held-out", held_out_bytes(), length);
}

TextBatch training_batch(const TextSplit& split, const TextBatchOptions& options, std::size_t step,
                         std::size_t first, std::size_t count) {
  TextBatch batch;
  const auto length = static_cast<std::uint64_t>(options.length);
  const std::uint64_t places = split.training_bytes() - length;
  const std::uint64_t begin =
      options.windows == Windows::segments ? random_place(options, step, 0, places) : 0;
  for (std::size_t window = first; window < first + count; ++window) {
    const std::uint64_t place = options.windows == Windows::random
                                    ? random_place(options, step, window, places)
                                    : (begin + window * length) % places;
    append(batch, split.corpus(), place, options.length);
  }
  return batch;
}

std::size_t held_out_windows(const TextSplit& split, std::size_t length, std::uint64_t bytes) {
  const std::uint64_t predicted =
      std::max<std::uint64_t>(1, std::min(bytes, split.held_out_bytes()) - 1);
  return static_cast<std::size_t>((predicted + length - 1) / length);
}

TextBatch held_out_batch(const TextSplit& split, std::size_t length, std::uint64_t bytes,
                         std::size_t first, std::size_t count) {
  TextBatch batch;
  const std::uint64_t end = split.cut() + std::min(bytes, split.held_out_bytes());
  for (std::size_t window = first; window < first + count; ++window) {
    const std::uint64_t place = split.cut() + window * std::uint64_t{length};
    const auto there = static_cast<std::size_t>(
        std::min<std::uint64_t>(length, end - std::min(end, place + 1)));  // with a label
    if (there > 0) append(batch, split.corpus(), place, there);
    batch.tokens.resize((window - first + 1) * length, 0);
    batch.labels.resize((window - first + 1) * length, no_label);
  }
  return batch;
}
