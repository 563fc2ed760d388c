// Batches of windows of a text: tokens and, one position later, the labels.
//
//     const TextSplit split(corpus, 0.1, length);            // checks the length
//     const TextBatch batch = training_batch(split, options, step, first, count);
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "corpus.hpp"

/// The bytes of a corpus to train on, [0, cut), and those held out, [cut, size).
class TextSplit {
 public:
  /// @param held_out  share of the bytes at the end
  /// @throws retrace::DataError if a part has fewer than length + 1 bytes.
  TextSplit(const Corpus& corpus, double held_out, std::size_t length);

  const Corpus& corpus() const { return corpus_; }
  std::uint64_t training_bytes() const { return cut_; }
  std::uint64_t held_out_bytes() const { return corpus_.size() - cut_; }
  std::uint64_t cut() const { return cut_; }

 private:
  const Corpus& corpus_;
  std::uint64_t cut_;
};

/// The places of the windows of a batch.
enum class Windows {
  random,   ///< independent of each other
  segments  ///< one after the other, from a random place on: one long sequence
};

struct TextBatchOptions {
  std::size_t batch = 16, length = 256;
  Windows windows = Windows::random;
  std::uint64_t seed = 0;
};

/// Windows one after the other.
struct TextBatch {
  std::vector<std::int32_t> tokens, labels;  ///< windows · length
};

/// Returns windows [first, first + count) of the batch of a step. They depend on the seed and the
/// step alone, so a resumed training takes the same ones.
TextBatch training_batch(const TextSplit& split, const TextBatchOptions& options, std::size_t step,
                         std::size_t first, std::size_t count);

/// Returns the number of windows of `length` that cover the first `bytes` held-out bytes, at least
/// one. Each byte except the first is predicted once; the last window may be padded.
std::size_t held_out_windows(const TextSplit& split, std::size_t length, std::uint64_t bytes);

/// The label of positions that are not evaluated.
inline constexpr std::int32_t no_label = -1;

/// Returns windows [first, first + count) of the held-out bytes. Positions after the `bytes` have
/// the label no_label.
TextBatch held_out_batch(const TextSplit& split, std::size_t length, std::uint64_t bytes,
                         std::size_t first, std::size_t count);

/// Returns the bits per byte of `xz -9e` on these bytes; 0 if the program was built without
/// liblzma.
double xz_bits_per_byte(const std::vector<std::uint8_t>& bytes);
