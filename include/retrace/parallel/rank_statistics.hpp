// Batch statistics over the images of all ranks.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "retrace/layer/statistics_exchange.hpp"
#include "retrace/parallel/communicator.hpp"

namespace retrace::inline RETRACE_ISA {

/// Gathers the statistics of all ranks, C or 2·C numbers each, and combines them in the order of
/// ranks, so that every rank has the same bits.
template <Communicator C>
class RankStatistics final : public StatisticsExchange {
 public:
  explicit RankStatistics(C& ranks) : ranks_(ranks) {}

  /// μ = Σ n_r·μ_r / n,  σ² = Σ n_r·(σ_r² + (μ_r − μ)²) / n   (Chan et al. 1983)
  Index combine_moments(std::span<double> mean, std::span<double> variance, Index pixels) override {
    if (alone_) return pixels;
    const std::size_t channels = mean.size();
    own_.assign(1, static_cast<double>(pixels));
    own_.insert(own_.end(), mean.begin(), mean.end());
    own_.insert(own_.end(), variance.begin(), variance.end());
    const double count = exchange();
    const auto weighted = [&](auto value) {
      double sum = 0;
      for (std::size_t r = 0; r < all_.size(); r += own_.size())
        if (all_[r] != 0) sum += all_[r] / count * value(&all_[r]);
      return sum;
    };
    for (std::size_t c = 0; c < channels && count > 0; ++c) {
      mean[c] = weighted([&](const double* of_rank) { return of_rank[1 + c]; });
      variance[c] = weighted([&](const double* of_rank) {
        const double apart = of_rank[1 + c] - mean[c];
        return of_rank[1 + channels + c] + apart * apart;
      });
    }
    return whole(count, pixels);
  }

  Index combine_sums(std::span<double> sums, Index pixels) override {
    if (alone_) return pixels;
    own_.assign(1, static_cast<double>(pixels));
    own_.insert(own_.end(), sums.begin(), sums.end());
    const double count = exchange();
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i] = 0;
      for (std::size_t r = 0; r < all_.size(); r += own_.size()) sums[i] += all_[r + 1 + i];
    }
    return whole(count, pixels);
  }

  /// While set, statistics are those of this rank.
  void set_alone(bool alone) { alone_ = alone; }

 private:
  /// Sets all_ to the numbers of all ranks. Returns the pixels of all.
  double exchange() {
    all_.resize(own_.size() * static_cast<std::size_t>(ranks_.size()));
    ranks_.gather(std::as_bytes(std::span(own_)), std::as_writable_bytes(std::span(all_)));
    double count = 0;
    for (std::size_t r = 0; r < all_.size(); r += own_.size()) count += all_[r];
    return count;
  }
  /// The count is NaN if a rank has left the pass, whose result is then discarded.
  static Index whole(double count, Index pixels) {
    return std::isfinite(count) ? static_cast<Index>(count) : std::max<Index>(pixels, 2);
  }

  C& ranks_;
  bool alone_ = false;
  std::vector<double> own_, all_;
};

}  // namespace retrace::inline RETRACE_ISA
