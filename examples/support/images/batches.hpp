// Makes batches of samples ahead of the step that uses them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "retrace/math/crop_flip.hpp"
#include "retrace/train/image_set.hpp"
#include "samples.hpp"

/// The conversion of a sample to the input of a network.
struct Preparation {
  retrace::PixelStatistics normalisation;
  retrace::Shape shape;  ///< at least that of samples, which are padded by mirroring
};

/// Random changes of training images. They depend only on (seed, epoch, sample).
struct RandomChanges {
  bool crop = false;  ///< moves the image by up to `padding` pixels
  bool flip = false;  ///< mirrors one image in two, left to right
  std::uint32_t padding = 4;
  std::uint64_t seed = 0;
};

/// Input samples of a network in host memory.
struct HostBatch {
  std::vector<float> values{};
  std::vector<std::int32_t> labels{};
};

/// The samples of a batch.
struct BatchRequest {
  std::vector<retrace::Index> samples;
  std::uint32_t epoch = 0;
};

/// Makes a sample of a batch, or a whole batch. Several threads may call its functions.
class BatchMaker {
 public:
  /// @param samples  must outlive this object and not move
  BatchMaker(const Samples& samples, Preparation preparation, RandomChanges changes = {})
      : samples_(samples), preparation_(std::move(preparation)), changes_(changes) {}

  /// Returns the labels per sample of a batch: 1, or the number of input pixels of the network.
  /// Pixels of the padding have the label no_class.
  retrace::Index labels_each() const;
  /// Returns the elements per sample of a batch.
  retrace::Index values_each() const { return preparation_.shape.size(); }

  void make(retrace::Index sample, std::uint32_t epoch, std::span<float> values,
            std::span<std::int32_t> labels) const;
  HostBatch make(const BatchRequest& request) const;

 private:
  const Samples& samples_;
  Preparation preparation_;
  RandomChanges changes_;
};

/// Batches that threads make in the order of the requests. At most `ahead` batches exist at a time,
/// besides the one that was taken. Their bits do not depend on the number of threads.
class BatchQueue {
 public:
  /// Returns the next batch to make, or std::nullopt after the last.
  using Requests = std::function<std::optional<BatchRequest>()>;

  /// @param maker    must outlive this object and not move
  /// @param threads  0: the caller of take() makes a batch when it takes it
  BatchQueue(const BatchMaker& maker, Requests requests, int threads, std::size_t ahead = 2);
  ~BatchQueue();
  BatchQueue(const BatchQueue&) = delete;
  BatchQueue& operator=(const BatchQueue&) = delete;

  /// Waits for the next batch. Returns std::nullopt after the last.
  /// @throws the exception of making the batch, such as retrace::DataError for an unreadable file.
  std::optional<HostBatch> take();

 private:
  struct Slot {
    BatchRequest request;
    HostBatch batch;
    std::size_t claimed = 0, done = 0;  ///< samples
    std::exception_ptr error{};
    std::size_t error_at = 0;
  };

  void work();
  Slot* open_slot();
  void make_some(Slot& slot, std::unique_lock<std::mutex>& lock);

  const BatchMaker& maker_;
  Requests requests_;
  std::size_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Slot>> slots_;  ///< in the order of the requests
  bool no_more_requests_ = false, ending_ = false;
  std::vector<std::jthread> threads_;  ///< the last member: they use all others
};
