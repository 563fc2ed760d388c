// Sums the gradients of all ranks bucket by bucket while backward computes those that are missing.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "retrace/cpu/cpu.hpp"
#include "retrace/layer/parameter_list.hpp"
#include "retrace/parallel/buckets.hpp"
#include "retrace/parallel/communicator.hpp"
#include "retrace/parallel/trace.hpp"

namespace retrace::inline RETRACE_ISA {

/// Which rank updates a parameter (Rajbhandari et al. 2020).
enum class Sharding {
  none,       ///< every rank updates every parameter
  optimizer,  ///< one rank updates it and holds its moments: ZeRO 1
  gradients,  ///< no other rank holds the sum of its gradient either: ZeRO 2
};

/// Times of the sums of one pass, in seconds.
struct SumTimes {
  double summing = 0;  ///< from the start of each sum to its end, added up
  double waiting = 0;  ///< in which backward waited for a sum
};

/// Fills buckets with gradients as they become complete and starts the sum of each full bucket. At
/// most two buckets exist: one is filled while the other is summed. A bucket that has been summed
/// gives each of its parameters the mean gradient and calls finish().
///
/// The gradient of a fused optimizer's parameter is released as soon as it is in its bucket, and
/// made again for the update.
template <class T, Device D, Communicator C>
class GradientSum {
 public:
  using Clock = TransferState::Clock;

  /// @param owners  of each parameter, the rank that updates it
  GradientSum(ParameterList<T, D>& list, C& ranks, std::size_t bucket_bytes, bool overlap,
              Sharding sharding, std::span<const int> owners)
      : list_(list),
        ranks_(ranks),
        most_(bucket_bytes / sizeof(T)),
        overlap_(overlap),
        sharding_(sharding),
        owners_(owners),
        ready_(list.parameters.size()),
        frozen_(list.parameters.size()) {
    lay_out();
  }
  GradientSum(const GradientSum&) = delete;
  GradientSum& operator=(const GradientSum&) = delete;

  /// Whether no parameter of the present pass has been completed.
  bool between_passes() const { return filling_ == 0 && !any_ready_; }

  /// Splits the gradients anew if parameters have been frozen or unfrozen.
  void begin_pass() {
    times_ = {};
    for (std::size_t i = 0; i < frozen_.size(); ++i)
      if (frozen_[i] != parameter(i).frozen()) return lay_out();
  }

  /// Takes the gradient of a parameter, which is complete on this rank.
  /// @throws StateError if this pass had it already, or it is a sum over all ranks.
  void take(std::size_t i) {
    if (ready_[i] || parameter(i).summed()) refuse(i);
    ready_[i] = any_ready_ = true;
    if (filled_part_ < bucket().parts.size() && bucket().parts[filled_part_].parameter == i)
      fill_next();
    while (filling_ < buckets_.size() && bucket_is_ready()) {
      while (filled_part_ < bucket().parts.size()) fill_next();
      launch();
    }
    if (filling_ == buckets_.size()) end_pass();
  }

  /// Contributes NaN for all gradients that this pass has not summed yet, and drops the sums.
  /// `meanwhile` returns whether it did something for other ranks.
  template <class Meanwhile>
  void fill_with_nan(Meanwhile meanwhile) {
    const auto patiently = [&](Slot& slot) {
      while (slot.transfer && !slot.transfer->done())
        if (!meanwhile()) std::this_thread::sleep_for(std::chrono::microseconds(50));
      if (slot.transfer) slot.transfer->wait();
      slot.transfer.reset();
    };
    for (; filling_ < buckets_.size(); ++filling_) {
      Slot& slot = slots_[filling_ % slots_.size()];
      patiently(slot);
      const auto values = memory(slot).first(bucket().count);
      std::fill(values.begin(), values.end(), std::numeric_limits<T>::quiet_NaN());
      slot.transfer = ranks_.start_sum(values);
    }
    for (Slot& slot : slots_) patiently(slot);
    restart();
  }

  const std::vector<Bucket>& buckets() const { return buckets_; }
  const SumTimes& times() const { return times_; }
  void set_overlap(bool overlap) { overlap_ = overlap; }
  void set_trace(Trace* trace) { trace_ = trace; }

 private:
  static constexpr bool on_host = std::derived_from<D, Cpu>;
  using Memory = std::conditional_t<on_host, Tensor<T, D>, std::vector<T>>;

  struct Slot {
    std::optional<Memory> memory;
    std::optional<Transfer> transfer;  ///< of the bucket in the memory, until it is delivered
    std::size_t bucket = 0;
    Clock::time_point started{};
  };

  Parameter<T, D>& parameter(std::size_t i) { return *list_.parameters[i].parameter; }
  Bucket& bucket() { return buckets_[filling_]; }
  bool dry() { return device().dry(); }
  D& device() { return list_.parameters.front().parameter->value.device(); }
  static std::span<T> memory(Slot& slot) {
    if constexpr (on_host)
      return {slot.memory->data(), static_cast<std::size_t>(slot.memory->shape().size())};
    else
      return *slot.memory;
  }

  void lay_out() {
    std::vector<std::size_t> counts;
    for (std::size_t i = 0; i < frozen_.size(); ++i) {
      frozen_[i] = parameter(i).frozen();
      counts.push_back(frozen_[i] ? 0
                                  : static_cast<std::size_t>(parameter(i).value.shape().size()));
    }
    buckets_ = make_buckets(counts, most_);
    std::size_t largest = 0;
    for (const Bucket& each : buckets_) largest = std::max(largest, each.count);
    for (Slot& slot : slots_) {
      slot.memory.reset();
      if constexpr (on_host)
        slot.memory.emplace(device(), per_channel(static_cast<Index>(largest)), Use::workspace);
      else
        slot.memory.emplace(largest);
    }
    restart();
  }

  bool bucket_is_ready() {
    return std::ranges::all_of(bucket().parts,
                               [&](const BucketPart& part) { return ready_[part.parameter]; });
  }

  /// Copies the next gradient of the bucket, divided by the number of ranks.
  void fill_next() {
    Slot& slot = slots_[filling_ % slots_.size()];
    if (filled_part_ == 0) deliver(slot);
    const BucketPart& part = bucket().parts[filled_part_++];
    Parameter<T, D>& from = parameter(part.parameter);
    if (!dry()) {
      const auto to = memory(slot).subspan(part.first, part.count);
      download(to, std::as_const(from.gradient).view());
      const T share = T(1) / static_cast<T>(ranks_.size());
      for (T& value : to) value *= share;
    }
    if (from.on_complete) from.release_gradient();
  }

  /// Starts the sum of the bucket and goes on to the next one.
  void launch() {
    Slot& slot = slots_[filling_ % slots_.size()];
    slot.bucket = filling_;
    slot.started = Clock::now();
    slot.transfer.emplace(dry() ? Transfer()
                                : ranks_.start_sum(memory(slot).first(bucket().count)));
    ++filling_;
    filled_part_ = 0;
    if (!overlap_) deliver(slot);
    for (Slot& other : slots_)
      if (other.bucket + 1 < filling_ && other.transfer && !dry() && other.transfer->done())
        deliver(other);
  }

  /// Waits for the sum in the slot and gives it to the parameters.
  void deliver(Slot& slot) {
    if (!slot.transfer) return;
    const auto before = Clock::now();
    slot.transfer->wait();
    if (!dry()) note_times(slot, before);
    slot.transfer.reset();
    for (const BucketPart& part : buckets_[slot.bucket].parts) {
      Parameter<T, D>& to = parameter(part.parameter);
      if (sharding_ == Sharding::gradients && owners_[part.parameter] != ranks_.rank()) {
        to.release_gradient();
      } else {
        const View<T, D> gradient = to.accumulator();
        if (!dry())
          upload(gradient, std::span<const T>(memory(slot).subspan(part.first, part.count)));
      }
      to.set_summed(!dry());
      to.finish();
    }
  }

  void note_times(Slot& slot, Clock::time_point before) {
    const auto now = Clock::now();
    const auto seconds = [](auto duration) {
      return std::chrono::duration<double>(duration).count();
    };
    times_.waiting += seconds(now - before);
    times_.summing += seconds(slot.transfer->finished() - slot.started);
    if (!trace_) return;
    trace_->add("sum of bucket " + std::to_string(slot.bucket) + " (" +
                    std::to_string(buckets_[slot.bucket].count * sizeof(T)) + " bytes)",
                Trace::Row::sums, slot.started, slot.transfer->finished());
    trace_->add("wait for bucket " + std::to_string(slot.bucket), Trace::Row::waits, before, now);
  }

  void end_pass() {
    for (std::size_t i = 0; i < slots_.size(); ++i)  // the older one first
      deliver(slots_[(filling_ + i) % slots_.size()]);
    restart();
  }
  void restart() {
    std::fill(ready_.begin(), ready_.end(), false);
    any_ready_ = false;
    filling_ = filled_part_ = 0;
  }

  [[noreturn]] void refuse(std::size_t i) {
    throw StateError(
        "DataParallel: the gradient of " + list_.parameters[i].name +
        (ready_[i] ? " is complete a second time, and others are not complete: a pass has ended "
                     "early without leave_pass()"
                   : " is already the sum over all ranks: update and zero it before the next "
                     "batch, or take micro-batches with accumulate_gradients(net, images, micro, "
                     "load)"));
  }

  ParameterList<T, D>& list_;
  C& ranks_;
  std::size_t most_;
  bool overlap_;
  Sharding sharding_;
  std::span<const int> owners_;
  Trace* trace_ = nullptr;
  std::vector<Bucket> buckets_;
  std::array<Slot, 2> slots_;  // after what they refer to: a transfer ends before its memory
  std::vector<bool> ready_, frozen_;
  bool any_ready_ = false;
  std::size_t filling_ = 0;      ///< the first bucket that is not full
  std::size_t filled_part_ = 0;  ///< its gradients that have been copied
  SumTimes times_;
};

}  // namespace retrace::inline RETRACE_ISA
