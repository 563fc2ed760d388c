#include "retrace/cpu/elementwise.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("fill, copy and add change only the channel slices they are given") {
  Cpu device(2);
  auto wide = normal<double>(device, {3, 2, 5, 7});
  const Values before = values(wide);
  const auto slice = wide.view().channels(2, 3);
  const auto x = normal<double>(device, slice.shape(), 2);
  const Values old = values(slice), other = values(x);

  const auto expect = [&](auto expected) {
    bool same = true;
    std::size_t k = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      const std::size_t channel = i % 7;
      const bool inside = channel >= 2 && channel < 5;
      same = same && values(wide)[i] == (inside ? expected(k) : before[i]);
      k += inside;
    }
    CHECK(same);
  };
  SECTION("fill") {
    fill(slice, 3);
    expect([](std::size_t) { return 3.0; });
  }
  SECTION("copy") {
    copy(slice, x.view());
    expect([&](std::size_t k) { return other[k]; });
  }
  SECTION("add") {
    add(slice, x.view());
    expect([&](std::size_t k) { return old[k] + other[k]; });
  }
  SECTION("subtract") {
    add(slice, x.view(), Store::subtract);
    expect([&](std::size_t k) { return old[k] - other[k]; });
  }
  SECTION("upload and download") {
    upload(slice, other);
    expect([&](std::size_t k) { return other[k]; });
    Values down(other.size());
    download(std::span<double>(down), slice);
    CHECK(down == other);
  }
}

TEST_CASE("elementwise operations refuse shapes that do not match") {
  Cpu device;
  auto x = normal<float>(device, {2, 3, 4, 5}), y = normal<float>(device, {2, 3, 4, 6});
  CHECK_THROWS_WITH(copy(x.view(), y.view()), "copy: to is 2x3x4x5 but from is 2x3x4x6");
  CHECK_THROWS_WITH(add(x.view(), y.view()), "add: to is 2x3x4x5 but from is 2x3x4x6");
  std::vector<float> list(7);
  CHECK_THROWS_WITH(upload(x.view(), list),
                    "upload: there are 7 values but 2x3x4x5 has 120 elements");
  CHECK_THROWS_WITH(download(std::span<float>(list), x.view()),
                    "download: there are 7 values but 2x3x4x5 has 120 elements");
}

TEST_CASE("all_finite finds NaN or infinity anywhere") {
  Cpu device(2);
  auto x = normal<float>(device, {3, 2, 5, 7});
  CHECK(all_finite(x.view()));
  for (float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (Index at : {0, 100, 209}) {
      auto y = clone(x);
      y.data()[at] = bad;
      CHECK_FALSE(all_finite(y.view()));
    }
  CHECK(all_finite(Tensor<float, Cpu>(device, {0, 2, 2, 3}).view()));
}
