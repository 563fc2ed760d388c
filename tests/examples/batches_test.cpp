// Batches: what becomes of a sample, and that threads change neither bits nor order.
#include "batches.hpp"

#include <algorithm>
#include <numeric>
#include <string>

#include "data_set.hpp"
#include "retrace/core/error.hpp"
#include "retrace/train/augmentation.hpp"
#include "retrace/train/synthetic.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using retrace::Index, retrace::Shape;

namespace {

constexpr RandomChanges all_changes{.crop = true, .flip = true, .padding = 4, .seed = 7};

std::vector<Index> range(Index first, Index end) {
  std::vector<Index> result(static_cast<std::size_t>(end - first));
  std::iota(result.begin(), result.end(), first);
  return result;
}

/// Batches of 10 of 100 samples, until there are `count`.
BatchQueue::Requests batches_of_10(int count) {
  return [count, next = 0]() mutable -> std::optional<BatchRequest> {
    if (next == count) return {};
    const Index first = 10 * (next++ % 10);
    return BatchRequest{range(first, first + 10), std::uint32_t(next / 10)};
  };
}

/// A sample of 2 x 3 pixels whose values are 0 to 5, with labels of the same values.
class Numbered : public Samples {
 public:
  Index size() const override { return 100; }
  Shape shape() const override { return {1, 2, 3, 1}; }
  Index labels_each() const override { return 6; }
  void read(Index sample, std::span<float> values) const override {
    if (sample == broken) throw retrace::DataError(name(sample) + ": is broken");
    std::iota(values.begin(), values.end(), 0.0f);
  }
  void read_labels(Index, std::span<std::int32_t> labels) const override {
    std::iota(labels.begin(), labels.end(), 0);
  }
  std::string name(Index sample) const override { return "sample " + std::to_string(sample); }

  Index broken = -1;
};

}  // namespace

TEST_CASE("a batch has the bits that fill_batch makes of the same images") {
  const retrace::ImageSet set = retrace::synthetic_images(40, 1);
  const retrace::PixelStatistics normal = pixel_statistics(set);
  const auto samples = samples_of(set);
  for (const bool changes : {false, true}) {
    const BatchMaker maker(*samples, {normal, samples->shape()},
                           changes ? all_changes : RandomChanges{});
    const HostBatch batch = maker.make({range(3, 30), 5});
    std::vector<float> expected(batch.values.size());
    retrace::fill_batch(std::span(expected), set, range(3, 30), normal,
                        {.crop_flip = changes, .seed = 7, .epoch = 5});
    CHECK(batch.values == expected);
    CHECK(std::equal(batch.labels.begin(), batch.labels.end(), set.labels.begin() + 3));
  }
}

TEST_CASE("what a network needs beyond a sample is its mirror image, whose labels are none") {
  const Numbered samples;
  const BatchMaker maker(samples, {{{0.0}, {1.0}}, {1, 4, 5, 1}});
  CHECK(maker.labels_each() == 20);
  const HostBatch batch = maker.make({{0}, 0});
  CHECK(batch.values == std::vector<float>{4, 3, 4, 5, 4, 1, 0, 1, 2, 1,  //
                                           4, 3, 4, 5, 4, 1, 0, 1, 2, 1});
  CHECK(batch.labels == std::vector<std::int32_t>{-1, -1, -1, -1, -1, -1, 0,  1,  2,  -1,  //
                                                  -1, 3,  4,  5,  -1, -1, -1, -1, -1, -1});
}

TEST_CASE("labels of pixels are moved and mirrored with them") {
  const Numbered samples;
  const BatchMaker maker(samples, {{{0.0}, {1.0}}, samples.shape()},
                         {.crop = true, .flip = true, .padding = 1, .seed = 3});
  const HostBatch batch = maker.make({range(0, 50), 0});
  std::size_t with_class = 0;
  for (std::size_t i = 0; i < batch.labels.size(); ++i) {
    if (batch.labels[i] == no_class) continue;
    ++with_class;
    CHECK(batch.labels[i] == static_cast<std::int32_t>(batch.values[i]));
  }
  CHECK((with_class > 100 && with_class < 300));
}

TEST_CASE("a flip without a crop moves nothing else") {
  const Numbered samples;
  const BatchMaker maker(samples, {{{0.0}, {1.0}}, samples.shape()}, {.flip = true, .seed = 1});
  const HostBatch batch = maker.make({range(0, 20), 0});
  int flips = 0;
  for (int i = 0; i < 20; ++i) {
    const float first = batch.values[std::size_t(6 * i)];
    CHECK((first == 0 || first == 2));
    flips += first == 2;
  }
  CHECK((flips > 3 && flips < 17));
}

TEST_CASE("batches come in their order with the same bits, whatever the number of threads") {
  const auto samples = samples_of(retrace::synthetic_images(100, 1));
  const BatchMaker maker(*samples, {{{100, 100, 100}, {0.02, 0.02, 0.02}}, samples->shape()},
                         all_changes);
  std::vector<HostBatch> expected;
  BatchQueue alone(maker, batches_of_10(25), 0);
  while (auto batch = alone.take()) expected.push_back(std::move(*batch));
  REQUIRE(expected.size() == 25);
  CHECK(expected[0].values != expected[10].values);  // of another epoch
  for (const int threads : {1, 2, 5})
    for (const std::size_t ahead : {1u, 3u}) {
      BatchQueue queue(maker, batches_of_10(25), threads, ahead);
      for (const HostBatch& each : expected) {
        const std::optional<HostBatch> batch = queue.take();
        REQUIRE(batch);
        CHECK((batch->values == each.values && batch->labels == each.labels));
      }
      CHECK_FALSE(queue.take());
      CHECK_FALSE(queue.take());
    }
}

TEST_CASE("no more batches are made ahead than allowed") {
  const Numbered samples;
  const BatchMaker maker(samples, {{{0.0}, {1.0}}, samples.shape()});
  std::atomic<int> requested{0};
  const auto counted = [&, next = batches_of_10(50)]() mutable {
    ++requested;
    return next();
  };
  BatchQueue queue(maker, counted, 3, 2);
  for (int taken = 1; taken <= 20; ++taken) {
    REQUIRE(queue.take());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(requested <= taken + 2);
  }
}

TEST_CASE("a sample that cannot be read ends its own batch and no other") {
  Numbered samples;
  samples.broken = 25;
  const BatchMaker maker(samples, {{{0.0}, {1.0}}, samples.shape()});
  for (const int threads : {0, 1, 4}) {
    BatchQueue queue(maker, batches_of_10(5), threads);
    CHECK(queue.take());
    CHECK(queue.take());
    CHECK(complaint<retrace::DataError>([&] { queue.take(); }) == "sample 25: is broken");
    CHECK(queue.take());
  }
}

TEST_CASE("a queue can be left before its last batch") {
  const Numbered samples;
  const BatchMaker maker(samples, {{{0.0}, {1.0}}, samples.shape()});
  for (int i = 0; i < 20; ++i) {
    BatchQueue queue(maker, batches_of_10(50), 3);
    if (i % 2 == 0) queue.take();
  }
  SUCCEED();
}
