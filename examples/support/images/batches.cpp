#include "batches.hpp"

#include <algorithm>

using retrace::Index, retrace::Shape;

Index BatchMaker::labels_each() const {
  return samples_.labels_each() == 1 ? 1 : preparation_.shape.h * preparation_.shape.w;
}

void BatchMaker::make(Index sample, std::uint32_t epoch, std::span<float> values,
                      std::span<std::int32_t> labels) const {
  const Shape from = samples_.shape(), to = preparation_.shape;
  std::vector<float> raw(static_cast<std::size_t>(from.size()));
  std::vector<std::int32_t> raw_labels(static_cast<std::size_t>(samples_.labels_each()));
  samples_.read(sample, raw);
  samples_.read_labels(sample, raw_labels);
  const bool by_pixel = raw_labels.size() > 1;
  if (!by_pixel) labels[0] = raw_labels[0];

  const retrace::CropFlips changes{changes_.crop || changes_.flip, changes_.seed,
                                   retrace::substream("augmentation", epoch), changes_.padding};
  retrace::CropFlip drawn = retrace::math::crop_flip(changes, sample);
  if (!changes_.crop) drawn.top = drawn.left = 0;
  drawn.flip = drawn.flip && changes_.flip;

  const Index above = (to.h - from.h) / 2, before = (to.w - from.w) / 2;
  float* value = values.data();
  for (Index row = 0; row < to.h; ++row)
    for (Index column = 0; column < to.w; ++column) {
      const Index y = row - above + drawn.top,
                  x = (drawn.flip ? to.w - 1 - column : column) - before + drawn.left;
      const Index pixel =
          retrace::math::mirrored(y, from.h) * from.w + retrace::math::mirrored(x, from.w);
      for (Index c = 0; c < from.c; ++c) {
        const auto channel = static_cast<std::size_t>(c);
        *value++ = static_cast<float>(
            (static_cast<double>(raw[static_cast<std::size_t>(pixel * from.c + c)]) -
             preparation_.normalisation.mean[channel]) *
            preparation_.normalisation.inverse_deviation[channel]);
      }
      if (!by_pixel) continue;
      const bool inside = y >= 0 && y < from.h && x >= 0 && x < from.w;
      labels[static_cast<std::size_t>(row * to.w + column)] =
          inside ? raw_labels[static_cast<std::size_t>(pixel)] : no_class;
    }
}

HostBatch BatchMaker::make(const BatchRequest& request) const {
  const auto values = static_cast<std::size_t>(values_each()),
             labels = static_cast<std::size_t>(labels_each());
  HostBatch batch{std::vector<float>(request.samples.size() * values),
                  std::vector<std::int32_t>(request.samples.size() * labels)};
  for (std::size_t i = 0; i < request.samples.size(); ++i)
    make(request.samples[i], request.epoch, std::span(batch.values).subspan(i * values, values),
         std::span(batch.labels).subspan(i * labels, labels));
  return batch;
}

BatchQueue::BatchQueue(const BatchMaker& maker, Requests requests, int threads, std::size_t ahead)
    : maker_(maker), requests_(std::move(requests)), ahead_(std::max<std::size_t>(1, ahead)) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

BatchQueue::~BatchQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
}

std::optional<HostBatch> BatchQueue::take() {
  if (threads_.empty()) {
    const std::optional<BatchRequest> request = requests_();
    return request ? std::optional(maker_.make(*request)) : std::nullopt;
  }
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return slots_.empty() ? no_more_requests_
                          : slots_.front()->done == slots_.front()->request.samples.size();
  });
  if (slots_.empty()) return {};
  const std::unique_ptr<Slot> slot = std::move(slots_.front());
  slots_.pop_front();
  lock.unlock();
  changed_.notify_all();
  if (slot->error) std::rethrow_exception(slot->error);
  return std::move(slot->batch);
}

void BatchQueue::work() {
  std::unique_lock lock(mutex_);
  while (!ending_)
    if (Slot* const slot = open_slot())
      make_some(*slot, lock);
    else
      changed_.wait(lock);
}

/// Returns the first batch with samples left to make, or a new one if allowed, otherwise null.
BatchQueue::Slot* BatchQueue::open_slot() {
  for (const auto& slot : slots_)
    if (slot->claimed < slot->request.samples.size()) return slot.get();
  if (no_more_requests_ || slots_.size() >= ahead_) return nullptr;
  std::optional<BatchRequest> request = requests_();
  if (!request) {
    no_more_requests_ = true;
    changed_.notify_all();
    return nullptr;
  }
  const std::size_t count = request->samples.size();
  slots_.push_back(std::make_unique<Slot>(
      Slot{std::move(*request),
           {std::vector<float>(count * static_cast<std::size_t>(maker_.values_each())),
            std::vector<std::int32_t>(count * static_cast<std::size_t>(maker_.labels_each()))}}));
  return slots_.back().get();
}

/// Makes a few samples with the mutex unlocked. The slot remains, because its samples are not done.
void BatchQueue::make_some(Slot& slot, std::unique_lock<std::mutex>& lock) {
  constexpr std::size_t at_once = 8;
  const std::size_t first = slot.claimed,
                    count = std::min(at_once, slot.request.samples.size() - first);
  slot.claimed += count;
  lock.unlock();
  const auto values = static_cast<std::size_t>(maker_.values_each()),
             labels = static_cast<std::size_t>(maker_.labels_each());
  std::exception_ptr error;
  std::size_t at = first;
  try {
    for (; at < first + count; ++at)
      maker_.make(slot.request.samples[at], slot.request.epoch,
                  std::span(slot.batch.values).subspan(at * values, values),
                  std::span(slot.batch.labels).subspan(at * labels, labels));
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  if (error && (!slot.error || at < slot.error_at)) {
    slot.error = error;
    slot.error_at = at;
  }
  slot.done += count;
  if (slot.done == slot.request.samples.size()) changed_.notify_all();
}
