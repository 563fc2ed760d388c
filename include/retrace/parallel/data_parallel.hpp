// Data-parallel training: every rank computes the gradient of its part of a batch.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "retrace/net/chain.hpp"
#include "retrace/parallel/gradient_sum.hpp"
#include "retrace/parallel/rank_statistics.hpp"
#include "retrace/parallel/same_state.hpp"
#include "retrace/train/step_peers.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of a DataParallel.
struct DataParallelOptions {
  std::size_t bucket = 25'000'000;  ///< most bytes of gradients that are summed at once
  bool sync_batch_norm = true;      ///< normalise by the statistics of all ranks' images
  Sharding sharding = Sharding::none;
  std::size_t check_every = 100;  ///< passes between comparisons of all parameters' bits; 0: never
  bool overlap = true;            ///< sum while backward runs; false is for measurements
};

/// Makes the gradients of a network the means over all ranks: backward on a part of the batch then
/// leaves the gradients of the whole batch, the same bits on every rank.
///
///     MpiCommunicator ranks;
///     DataParallel parallel(net, ranks);
///     Sgd optimizer(net.parameters());
///     accumulate_gradients(net, x, cross_entropy(labels));  // x, labels: this rank's part
///     optimizer.step(rate);
///
/// Parts of different sizes need shared(loss). The constructor gives all ranks the state of rank 0.
/// Sums begin inside backward, as soon as a bucket of gradients is complete, and end before it
/// returns. A fused optimizer updates each bucket's parameters after its sum.
///
/// Memory    two buckets; the largest parameter makes a larger one if it does not fit.
/// Bytes     each rank sends 2(R − 1)/R times the gradients per pass, and with sync_batch_norm
///           16·C per rank and normalisation in forward and in backward.
template <class T, Device D, Communicator C>
class DataParallel final : public StepPeers {
 public:
  /// Net and communicator must outlive this object, and the net must not move.
  /// @throws RankError if the networks of the ranks differ in names or shapes.
  template <class S>
  DataParallel(Chain<T, D, S>& net, C& ranks, const DataParallelOptions& options = {})
      : DataParallel(net.parameters(), ranks, options) {}
  /// For several chains that are trained together: their parameters in one list.
  DataParallel(ParameterList<T, D> list, C& ranks, const DataParallelOptions& options = {})
      : list_(std::move(list)),
        ranks_(ranks),
        options_(options),
        statistics_(ranks),
        owners_(shard(list_, ranks.size(), options.sharding)),
        sum_(list_, ranks, options.bucket, options.overlap, options.sharding, owners_) {
    require_same_structure(list_, ranks_);
    broadcast_state(list_, ranks_);
    if (ranks_.size() > 1) attach();
  }
  ~DataParallel() override {
    for (auto& named : list_.parameters) {
      named.parameter->on_own_part = {};
      named.parameter->updated_elsewhere = false;
    }
    for (auto& named : list_.statistics) named.statistics->exchange_with(nullptr);
  }
  DataParallel(const DataParallel&) = delete;
  DataParallel& operator=(const DataParallel&) = delete;

  /// Returns a loss whose gradient counts as this rank's share of the whole batch, and whose value
  /// is that of the whole batch. Needed if ranks have different numbers of images or labels.
  template <class L>
  auto shared(L loss) {
    return [this, loss = std::move(loss)](const auto& y, auto& dy) {
      return share(loss(y, dy), [&](double factor) { scale(dy.view(), factor); });
    };
  }

  /// With sharding, sends every parameter from the rank that updates it to all others. Call it
  /// after each step of the optimizer.
  void share_parameters() {
    if (options_.sharding == Sharding::none || ranks_.size() == 1) return;
    for (std::size_t i = 0; i < list_.parameters.size(); ++i)
      detail::with_bytes(list_.parameters[i].parameter->value, [&](std::span<std::byte> bytes) {
        ranks_.broadcast(bytes, owners_[i]);
        return owners_[i] != ranks_.rank();
      });
  }
  /// Gives all ranks the buffers and numbers of rank 0: running averages, steps of dropouts. Call
  /// it before an evaluation that ranks share, unless sync_batch_norm makes the averages equal.
  void share_buffers() {
    ParameterList<T, D> buffers = list_;
    buffers.parameters.clear();
    broadcast_state(buffers, ranks_);
  }
  /// The rank that updates each parameter of the list.
  const std::vector<int>& owners() const { return owners_; }

  /// The times of the last pass.
  const SumTimes& times() const { return sum_.times(); }
  void set_overlap(bool overlap) { sum_.set_overlap(overlap); }
  /// Records the sums of each pass and the waits for them from here on; null ends that.
  void set_trace(Trace* trace) { sum_.set_trace(trace); }
  C& ranks() { return ranks_; }

  LossValue share(const LossValue& own, const std::function<void(double)>& scale) override {
    const Numbers numbers{own.sum, own.weight, static_cast<double>(own.correct),
                          static_cast<double>(own.count)};
    std::vector<Numbers> all(static_cast<std::size_t>(ranks_.size()));
    gather_values(ranks_, numbers, std::span(all));
    Numbers sum{};
    for (const Numbers& each : all)
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += each[i];
    own_is_finite_ = std::isfinite(own.sum) && std::isfinite(own.weight);
    if (std::isnan(sum[2])) return {.sum = sum[2], .weight = 1};  // a rank has left the pass
    const double share = sum[1] > 0 ? own.weight / sum[1] * ranks_.size() : 1;
    if (share != 1) scale(share);
    return {sum[0], sum[1], static_cast<Index>(sum[2]), static_cast<Index>(sum[3])};
  }

  StepVerdict agree(const StepVerdict& own) override {
    if (ranks_.size() == 1) return own;
    // Every rank gets what is not finite in the sums; the one that it comes from is named.
    const std::int64_t severity = 4 * static_cast<std::int64_t>(own.reason) +
                                  (own.certain ? 2 : 0) + (own_is_finite_ ? 0 : 1);
    own_is_finite_ = true;
    pass_complete_ = false;
    std::vector<std::int64_t> all(static_cast<std::size_t>(ranks_.size()));
    gather_values(ranks_, severity, std::span(all));
    const auto worst = std::max_element(all.begin(), all.end());
    if (*worst < 4) return {};
    const int from = static_cast<int>(worst - all.begin());
    std::array<char, 512> text{};
    own.text.copy(text.data(), text.size() - 1);
    ranks_.broadcast(std::as_writable_bytes(std::span(text)), from);
    return {static_cast<SkipReason>(*worst / 4), ranks_.describe(from) + ": " + text.data(), from};
  }

  void take_numbers(int from) override { broadcast_numbers(list_, ranks_, from); }

  /// @throws RankError if the communicator cannot take part in operations of unknown size.
  void leave_pass() override {
    if (ranks_.size() == 1 || pass_complete_) return;
    if (sum_.between_passes()) ++passes_;  // others compare parameters now, if it is time to
    if constexpr (requires { ranks_.answer_gather(); })
      sum_.fill_with_nan([this] { return ranks_.answer_gather(); });
    else
      throw RankError("DataParallel: " + ranks_.describe(ranks_.rank()) +
                      " has left a pass, which this communicator cannot continue");
  }

  void alone(const std::function<void()>& body) override {
    struct Alone {
      explicit Alone(RankStatistics<C>& all) : statistics(all) { statistics.set_alone(true); }
      ~Alone() { statistics.set_alone(false); }
      RankStatistics<C>& statistics;
    } const alone(statistics_);
    body();
  }

 private:
  using Numbers = std::array<double, 4>;

  /// Returns the owner of each parameter: the largest first, to the rank that has the fewest.
  static std::vector<int> shard(const ParameterList<T, D>& list, int ranks, Sharding sharding) {
    std::vector<int> owners(list.parameters.size(), 0);
    if (sharding == Sharding::none) return owners;
    std::vector<std::size_t> order(owners.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto size = [&](std::size_t i) {
      return list.parameters[i].parameter->value.shape().size();
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
    std::vector<Index> load(static_cast<std::size_t>(ranks));
    for (std::size_t i : order) {
      const auto least = std::min_element(load.begin(), load.end());
      owners[i] = static_cast<int>(least - load.begin());
      *least += size(i);
    }
    return owners;
  }

  void attach() {
    for (std::size_t i = 0; i < list_.parameters.size(); ++i) {
      Parameter<T, D>& parameter = *list_.parameters[i].parameter;
      if (parameter.on_own_part)
        throw StateError("DataParallel: " + list_.parameters[i].name +
                         " belongs to another DataParallel already");
      parameter.on_own_part = [this, i](Parameter<T, D>&) { take(i); };
      parameter.updated_elsewhere =
          options_.sharding != Sharding::none && owners_[i] != ranks_.rank();
    }
    if (!options_.sync_batch_norm) return;
    for (auto& named : list_.statistics) named.statistics->exchange_with(&statistics_);
  }

  void take(std::size_t i) {
    if (sum_.between_passes()) {
      const bool dry = list_.parameters[i].parameter->value.device().dry();
      sum_.begin_pass();
      if (!dry && options_.check_every > 0 && passes_++ % options_.check_every == 0)
        require_same_values(list_, ranks_);
    }
    sum_.take(i);
    pass_complete_ = sum_.between_passes();
  }

  ParameterList<T, D> list_;
  C& ranks_;
  DataParallelOptions options_;
  RankStatistics<C> statistics_;
  std::vector<int> owners_;
  GradientSum<T, D, C> sum_;
  std::uint64_t passes_ = 0;
  bool own_is_finite_ = true, pass_complete_ = false;
};

template <class T, Device D, class S, Communicator C>
DataParallel(Chain<T, D, S>&, C&, const DataParallelOptions& = {}) -> DataParallel<T, D, C>;

}  // namespace retrace::inline RETRACE_ISA
