#include "retrace/cpu/fixed_point.hpp"

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// 37 channels: full vectors and a remainder.
constexpr Shape shape{3, 5, 4, 37};

template <class E>
void check_rounding() {
  for (int threads : {1, 2}) {
    Cpu device(threads);
    const auto x = normal<float>(device, shape);
    Tensor<E, Cpu> q(device, shape);
    const auto none = store_rounded(q.view(), x.view(), 0x1p-8, Store::set);
    CHECK(none.overflows == 0);
    Values expected = values(x);
    for (double& value : expected) value = std::nearbyint(value * 256);
    CHECK(values(q) == expected);

    Tensor<float, Cpu> back(device, shape);
    widen(back.view(), std::as_const(q).view(), 0x1p-8);
    for (double& value : expected) value /= 256;
    CHECK(values(back) == expected);
    CHECK(largest_magnitude(q.view()) == 256 * largest(expected));
    CHECK(largest_magnitude(back.view().images(0, 0)) == 0);

    // Store into some channels of a wider state, and read back.
    auto wide = normal<float>(device, with_channels(shape, 50), 2);
    Tensor<E, Cpu> state(device, wide.shape());
    store_rounded(state.view(), wide.view(), 0x1p-8, Store::set);
    const Values before = values(state);
    store_rounded(state.view().channels(7, 37), x.view(), 0x1p-8, Store::add);
    CHECK(values(state) != before);
    CHECK(values(state.view().channels(0, 7)) == values(clone(state.view().channels(0, 7))));
    store_rounded(state.view().channels(7, 37), x.view(), 0x1p-8, Store::subtract);
    CHECK(values(state) == before);
  }
}

}  // namespace

TEST_CASE("rounded additions are undone bit for bit, with one thread and with two") {
  check_rounding<std::int16_t>();
  check_rounding<std::int32_t>();
}

TEST_CASE("all values that do not fit are counted, with one thread and with two") {
  for (int threads : {1, 2}) {
    Cpu device(threads);
    auto x = normal<float>(device, shape);
    for (Index i : {0, 50, 1999}) x.data()[i] = 40000;
    x.data()[7] = std::numeric_limits<float>::infinity();
    x.data()[8] = std::numeric_limits<float>::quiet_NaN();
    Tensor<std::int16_t, Cpu> q(device, shape);
    const auto counts = store_rounded(q.view(), x.view(), 1, Store::set);
    CHECK(counts.overflows == 4);  // including the infinity
    CHECK(counts.nonfinite == 2);
    x = normal<float>(device, shape);
    store_rounded(q.view(), x.view(), 1, Store::set);
    x.data()[50] = 32767;
    q.data()[50] = 1;
    CHECK(store_rounded(q.view(), x.view(), 1, Store::add).overflows == 1);
  }
}

TEST_CASE("a state in bfloat16 is rounded after every sum") {
  Cpu device;
  const auto x = normal<float>(device, shape), step = normal<float>(device, shape, 2);
  Tensor<math::Bfloat16, Cpu> q(device, shape);
  Tensor<float, Cpu> back(device, shape);
  store_rounded(q.view(), x.view(), 1, Store::set);
  widen(back.view(), std::as_const(q).view(), 1);
  CHECK(relative_distance(values(back), values(x)) < 0x1p-8);
  CHECK(relative_distance(values(back), values(x)) > 0x1p-12);
  const Values before = values(back);
  store_rounded(q.view(), step.view(), 1, Store::add);
  store_rounded(q.view(), step.view(), 1, Store::subtract);
  widen(back.view(), std::as_const(q).view(), 1);
  CHECK(relative_distance(values(back), before) < 0x1p-7);
  CHECK(values(back) != before);
}

TEST_CASE("fixed-point operations refuse shapes that differ") {
  Cpu device;
  const auto x = normal<float>(device, {2, 3, 4, 5});
  Tensor<std::int16_t, Cpu> q(device, {2, 3, 4, 6});
  CHECK_THROWS_WITH(store_rounded(q.view(), x.view(), 1, Store::set),
                    "store_rounded: q is 2x3x4x6 but x is 2x3x4x5");
  auto y = normal<float>(device, {2, 3, 4, 5});
  CHECK_THROWS_AS(widen(y.view(), q.view(), 1), ShapeError);
}
