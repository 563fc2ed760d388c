#include "retrace/cpu/channel_sums.hpp"

#include "support/catch.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

struct MeanVariance {
  Values mean, variance;
};

template <class T>
MeanVariance moments(View<T, Cpu> x) {
  Tensor<double, Cpu> mean(x.device(), per_channel(x.shape().c)), variance = clone(mean);
  channel_moments(View<const T, Cpu>(x), mean.view(), variance.view());
  return {values(mean), values(variance)};
}

template <class T>
MeanVariance definition(View<T, Cpu> x) {
  const auto count = static_cast<double>(x.shape().pixels());
  MeanVariance m;
  for (Index c = 0; c < x.shape().c; ++c) {
    const Values list = values(x.channels(c, 1));
    const double mean = std::accumulate(list.begin(), list.end(), 0.0) / count;
    double squares = 0;
    for (double value : list) squares += (value - mean) * (value - mean);
    m.mean.push_back(mean);
    m.variance.push_back(squares / count);
  }
  return m;
}

}  // namespace

TEST_CASE("mean and variance match their definition") {
  for (int threads : {1, 2, 3}) {
    Cpu device(threads);
    for (Index channels : {1, 3, 16, 33, 64})
      for (Shape extents : {Shape{1, 1, 1, 1}, Shape{1, 1, 2, 1}, Shape{3, 17, 19, 1}}) {
        CAPTURE(threads, channels, to_string(extents));
        auto wide = normal<double>(device, with_channels(extents, channels + 2));
        const auto x = wide.view().channels(1, channels);
        const MeanVariance measured = moments(x), expected = definition(x);
        CHECK(relative_distance(measured.mean, expected.mean) < 1e-13);
        CHECK(relative_distance(measured.variance, expected.variance) < 1e-13);
      }
  }
}

TEST_CASE("the variance of floats far from 0 does not cancel") {
  Cpu device(2);
  auto x = normal<float>(device, {4, 32, 32, 3});
  for (Index i = 0; i < x.shape().size(); ++i) x.data()[i] = 1000 + x.data()[i];
  const MeanVariance measured = moments(x.view()), expected = definition(x.view());
  CHECK(relative_distance(measured.mean, expected.mean) < 1e-6);
  CHECK(relative_distance(measured.variance, expected.variance) < 1e-3);
}

TEST_CASE("moments merge in any grouping") {
  const cpu::Moments a{2, 1, 3}, b{3, 5, 1};
  cpu::Moments all = a;
  all.merge(b);
  CHECK(all.count == 5);
  CHECK(all.mean == Approx(3.4).epsilon(1e-15));
  CHECK(all.squares == Approx(3 + 1 + 16 * 6 / 5.0).epsilon(1e-15));
  all.merge({});
  CHECK(all.count == 5);
  cpu::Moments none;
  none.merge(a);
  CHECK(none.mean == 1);
  CHECK(none.squares == 3);
}

TEST_CASE("sums over pixels are added to the target") {
  Cpu device(2);
  const auto x = normal<float>(device, {3, 17, 19, 21});
  auto sums = tensor<float>(device, per_channel(21), Values(21, 5.0));
  add_pixel_sums(sums.view(), x.view());
  Values expected(21, 5.0);
  const Values list = values(x);
  for (std::size_t i = 0; i < list.size(); ++i) expected[i % 21] += list[i];
  CHECK(distance_in_roundings<float>(values(sums), expected) < 16);
}

TEST_CASE("rows of threads share no cache line and are cleared together") {
  Cpu device(3);
  cpu::ThreadRows<double> rows(device, 5);
  rows.clear();
  CHECK(rows.row(1) - rows.row(0) == 16);
  for (int thread : {0, 1, 2})
    CHECK(*std::max_element(rows.row(thread), rows.row(thread) + 5) == 0);
}
