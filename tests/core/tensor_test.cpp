#include "retrace/core/tensor.hpp"

#include <stdexcept>

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a tensor is metered from construction to destruction") {
  Cpu device;
  const auto live = [&](Use use) { return device.memory().live()[use]; };
  {
    Tensor<float, Cpu> x(device, {2, 3, 4, 5}, Use::gradient);
    CHECK(live(Use::gradient) == 480);
    Tensor<double, Cpu> y(device, {1, 1, 1, 1});
    CHECK(live(Use::activation) == 8);
  }
  CHECK(device.memory().live().total() == 0);
  CHECK(device.memory().peak().total() == 488);
}

TEST_CASE("moving a tensor moves its memory") {
  Cpu device;
  auto x = normal<float>(device, {2, 3, 4, 5});
  const Values before = values(x);
  const float* data = x.data();
  Tensor<float, Cpu> y = std::move(x);
  CHECK(y.data() == data);
  CHECK(device.memory().live().total() == 480);

  Tensor<float, Cpu> z(device, {7, 1, 1, 1});
  z = std::move(y);  // frees the old elements of z
  CHECK(z.data() == data);
  CHECK(z.shape() == Shape{2, 3, 4, 5});
  CHECK(values(z) == before);
  CHECK(device.memory().live().total() == 480);

  Tensor<float, Cpu>& same = z;
  z = std::move(same);
  CHECK(values(z) == before);
  CHECK(device.memory().live().total() == 480);
}

TEST_CASE("a tensor with a new use is metered under it") {
  Cpu device;
  auto x = normal<float>(device, {2, 3, 4, 5});
  const float* data = x.data();
  Tensor<float, Cpu> kept = std::move(x).as(Use::stash);
  CHECK(kept.use() == Use::stash);
  CHECK(kept.data() == data);
  CHECK(device.memory().live()[Use::stash] == 480);
  CHECK(device.memory().live()[Use::activation] == 0);
}

TEST_CASE("reshape keeps the elements and their number") {
  Cpu device;
  auto x = normal<float>(device, {2, 3, 4, 5});
  const Values before = values(x);
  x.reshape({1, 1, 6, 20});
  CHECK(x.shape() == Shape{1, 1, 6, 20});
  CHECK(x.view().pitch() == 20);
  CHECK(values(x) == before);
  CHECK_THROWS_AS(x.reshape({1, 1, 6, 21}), ShapeError);
  CHECK_THROWS_WITH(
      x.reshape({1, 1, 6, 21}),
      "Tensor::reshape: 1x1x6x20 cannot be reshaped to 1x1x6x21: the element counts differ");
  CHECK(x.shape() == Shape{1, 1, 6, 20});
}

TEST_CASE("views select channels and images without copying") {
  Cpu device;
  auto x = normal<double>(device, {3, 2, 2, 6});
  const auto slice = x.view().channels(2, 3);
  CHECK(slice.shape() == Shape{3, 2, 2, 3});
  CHECK(slice.pitch() == 6);
  CHECK_FALSE(slice.packed());
  CHECK(slice.pixel(5) == x.data() + 5 * 6 + 2);
  const auto image = slice.images(1, 2);
  CHECK(image.shape() == Shape{2, 2, 2, 3});
  CHECK(image.data() == x.data() + 4 * 6 + 2);
  const auto inner = slice.channels(1, 1);
  CHECK(inner.data() == x.data() + 3);

  const auto [first, second] = halves(x.view());
  CHECK(first.data() == x.data());
  CHECK(second.data() == x.data() + 3);
  CHECK(second.shape() == Shape{3, 2, 2, 3});
  CHECK_THROWS_WITH(halves(slice), "a coupling needs an even number of channels, but x is 3x2x2x3");
}

TEST_CASE("a clone of a slice is packed and owns its elements") {
  Cpu device;
  auto x = normal<double>(device, {3, 2, 2, 6});
  const auto slice = x.view().channels(2, 3);
  const auto copied = clone(slice, Use::stash);
  CHECK(copied.shape() == slice.shape());
  CHECK(copied.view().packed());
  CHECK(copied.use() == Use::stash);
  CHECK(values(copied) == values(slice));
  slice.pixel(0)[0] += 1;
  CHECK(values(copied) != values(slice));
}

TEST_CASE("a refused tensor counts nothing") {
  Cpu device;
  device.memory().set_limit(100);
  const auto make = [&](Index n) { return Tensor<float, Cpu>(device, {n, 1, 1, 1}); };
  CHECK_THROWS_AS(make(26), OutOfMemory);
  CHECK(device.memory().live().total() == 0);
  CHECK_NOTHROW(make(25));
}

TEST_CASE("an allocation that the machine refuses throws OutOfMemory with the place") {
  Cpu device;
  MemoryMeter::Place place(device.memory(), "stem");
  const auto make = [&] { return Tensor<double, Cpu>(device, {Index{1} << 55, 1, 1, 1}); };
  CHECK_THROWS_WITH(make(),
                    containing("stem: out of memory") && containing("and the machine has no more"));
  CHECK(device.memory().live().total() == 0);
}

TEST_CASE("a tensor larger than the address space throws OutOfMemory, also on a dry device") {
  Cpu device;
  Cpu dry = Cpu::dry_device();
  const Shape shape{Index{1} << 31, Index{1} << 31, 1, 1};  // 2^64 bytes of float
  const auto make = [&]<class D>(D& on) { return Tensor<float, D>(on, shape); };
  CHECK_THROWS_AS(make(device), OutOfMemory);
  CHECK_THROWS_AS(make(dry), OutOfMemory);
  CHECK(dry.memory().live().total() == 0);
}

TEST_CASE("a failed allocation leaves nothing on the meter") {
  struct Broken {
    MemoryMeter meter;

    void* allocate(std::size_t) { throw std::runtime_error("the driver is gone"); }
    void release(void*, std::size_t) noexcept {}
    MemoryMeter& memory() { return meter; }
    bool dry() const { return false; }
  } device;
  CHECK_THROWS_WITH((Tensor<float, Broken>(device, {1, 1, 1, 8})), "the driver is gone");
  CHECK(device.memory().live().total() == 0);
}
