#include "retrace/interop/dlpack.hpp"

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;
using dlpack::ManagedTensor, dlpack::VersionedTensor;

namespace {

/// A tensor of another library: [2,3,4,5] of float, or what a test makes of it.
template <class Managed>
struct Foreign {
  std::vector<float> data = std::vector<float>(200);
  std::array<std::int64_t, 6> shape{2, 3, 4, 5, 1, 1}, strides{60, 20, 5, 1, 1, 1};
  int deleted = 0;
  Managed managed{};

  Foreign() {
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(i);
    managed.tensor = {data.data(),  {dlpack::cpu, 0}, 4, dlpack_type<float>(),
                      shape.data(), strides.data(),   0};
    managed.context = this;
    managed.deleter = [](Managed* self) { ++static_cast<Foreign*>(self->context)->deleted; };
    if constexpr (std::same_as<Managed, VersionedTensor>) managed.version = {1, 0};
  }
};

/// What is wrong with the tensor that `change` makes of a good one; its deleter is called once.
template <class T = float, class Managed = VersionedTensor, class Change>
std::string refusal(Change change) {
  Cpu device;
  Foreign<Managed> foreign;
  change(foreign);
  std::string message;
  try {
    DlpackView<T> seen(device, &foreign.managed);
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  CHECK(foreign.deleted == 1);
  CHECK(device.memory().live() == Bytes{});
  return message;
}

}  // namespace

TEST_CASE("a tensor goes out and comes back without a copy") {
  Cpu device;
  Tensor<float, Cpu> x = normal<float>(device, {2, 3, 4, 5});
  const Values expected = values(x);
  const float* data = x.data();
  const Bytes held = device.memory().live();
  VersionedTensor* out = to_dlpack(std::move(x));
  CHECK(device.memory().live() == held);
  CHECK(out->tensor.data == data);
  CHECK(out->tensor.axes == 4);
  CHECK(out->flags == 0);
  CHECK(std::vector(out->tensor.strides, out->tensor.strides + 4) ==
        std::vector<std::int64_t>{60, 20, 5, 1});
  {
    const DlpackView<float> back(device, out);
    CHECK(back.view().data() == data);
    CHECK(back.view().packed());
    CHECK(same_bits(values(back.view()), expected));
    CHECK(device.memory().live() == held);
  }
  CHECK(device.memory().live() == Bytes{});
}

TEST_CASE("a view goes out with its pitch, and its memory stays where it is") {
  Cpu device;
  Tensor<double, Cpu> x = normal<double>(device, {2, 3, 4, 6});
  const auto second = halves(x.view()).second;
  {
    const DlpackView<double> back(device, to_dlpack<ManagedTensor>(second));
    CHECK(back.view().data() == second.data());
    CHECK(back.view().pitch() == 6);
    CHECK(same_bits(values(back.view()), values(second)));
  }
  const auto constant = std::as_const(x).view();
  CHECK_THROWS_WITH(DlpackView<double>(device, to_dlpack(constant)), containing("read-only"));
  CHECK(DlpackView<const double>(device, to_dlpack(constant)).view().data() == x.data());
  CHECK(values(x).size() == 144);
}

TEMPLATE_TEST_CASE("the deleter of another library is called once, when the view ends", "",
                   ManagedTensor, VersionedTensor) {
  Cpu device;
  Foreign<TestType> foreign;
  {
    DlpackView<float> seen(device, &foreign.managed);
    DlpackView<float> moved = std::move(seen);
    CHECK(moved.view().pixel(3)[2] == 17);
    CHECK(foreign.deleted == 0);
  }
  CHECK(foreign.deleted == 1);
  foreign.managed.deleter = nullptr;
  CHECK(DlpackView<float>(device, &foreign.managed).view().data() == foreign.data.data());
}

TEST_CASE("fewer axes, no strides, an offset and a pitch are understood") {
  Cpu device;
  const auto seen = [&](auto change) {
    Foreign<VersionedTensor> foreign;
    change(foreign);
    const DlpackView<const float> view(device, &foreign.managed);
    const auto v = view.view();
    return std::tuple(v.shape(), v.pitch(), v.data() - foreign.data.data());
  };
  CHECK(seen([](auto& f) { f.managed.tensor.strides = nullptr; }) ==
        std::tuple(Shape{2, 3, 4, 5}, Index{5}, 0));
  CHECK(seen([](auto& f) { f.managed.tensor.byte_offset = 12; }) ==
        std::tuple(Shape{2, 3, 4, 5}, Index{5}, 3));
  CHECK(seen([](auto& f) { f.strides = {96, 32, 8, 1, 1, 1}; }) ==
        std::tuple(Shape{2, 3, 4, 5}, Index{8}, 0));
  CHECK(seen([](auto& f) {
          f.managed.tensor.axes = 2;
          f.shape = {7, 5};
          f.strides = {9, 1};
        }) == std::tuple(Shape{1, 1, 7, 5}, Index{9}, 0));
  CHECK(seen([](auto& f) {  // strides of axes of one index mean nothing
          f.shape = {2, 1, 1, 1, 1, 1};
          f.strides = {6, -1, 0, 99, 1, 1};
        }) == std::tuple(Shape{2, 1, 1, 1}, Index{6}, 0));
  Foreign<VersionedTensor> empty;
  empty.shape[0] = 0;
  empty.managed.tensor.data = nullptr;
  CHECK(DlpackView<float>(device, &empty.managed).view().shape() == Shape{0, 3, 4, 5});
}

TEST_CASE("a tensor that is no NHWC view of such elements is refused") {
  using F = Foreign<VersionedTensor>;
  CHECK(refusal([](F& f) { f.managed.version.major = 2; }) ==
        "DlpackView: the tensor has DLPack version 2 but must have version 1");
  CHECK(refusal<double>([](F&) {}) ==
        "DlpackView: the element type is code 2 of 32 bits x 1 but must be code 2 of 64 bits x 1");
  CHECK_THAT(refusal<std::int32_t>([](F&) {}), containing("must be code 0 of 32 bits"));
  CHECK_THAT(refusal([](F& f) { f.managed.tensor.type.lanes = 4; }), containing("bits x 4"));
  CHECK_THAT(refusal([](F& f) { f.managed.flags = dlpack::read_only; }), containing("read-only"));
  CHECK(refusal<const float>([](F& f) { f.managed.flags = dlpack::read_only; }).empty());
  CHECK(refusal<float, ManagedTensor>([](auto& f) { f.managed.tensor.device.type = 2; }) ==
        "DlpackView: the tensor is on device type 2 but must be on device type 1 (CPU)");
  CHECK_THAT(refusal([](F& f) { f.managed.tensor.axes = 5; }), containing("has 5"));
  CHECK_THAT(refusal([](F& f) { f.managed.tensor.axes = 0; }), containing("has 0"));
  CHECK_THAT(refusal([](F& f) { f.managed.tensor.data = nullptr; }), containing("is null"));
  CHECK_THAT(refusal([](F& f) { f.managed.tensor.byte_offset = 2; }), containing("not aligned"));
  CHECK_THAT(refusal([](F& f) { f.shape[1] = -3; }), containing("negative extent"));
  const std::int64_t huge = std::int64_t{1} << 32;
  CHECK_THAT(refusal([=](F& f) { f.shape = {huge, huge, huge, 5, 1, 1}; }),
             containing("address space"));
  const std::int64_t far = std::int64_t{1} << 58;
  CHECK_THAT(refusal([=](F& f) { f.strides = {12 * far, 4 * far, far, 1, 1, 1}; }),
             containing("address space"));
  for (const std::array<std::int64_t, 6> strides :
       {std::array<std::int64_t, 6>{60, 20, 1, 4, 1, 1},  // NCHW in memory
        {60, 20, 5, 2, 1, 1},                             // channels apart
        {61, 20, 5, 1, 1, 1},                             // images apart
        {60, 21, 5, 1, 1, 1},                             // rows apart
        {20, 60, 5, 1, 1, 1}})
    CHECK_THAT(refusal([&](F& f) { f.strides = strides; }), containing("constant pitch"));
  for (std::int64_t pitch : {0, 4, -5})
    CHECK_THAT(refusal([&](F& f) { f.strides = {12 * pitch, 4 * pitch, pitch, 1, 1, 1}; }),
               containing("overlap"));
  Cpu device;
  CHECK_THROWS_AS(DlpackView<float>(device, static_cast<ManagedTensor*>(nullptr)),
                  std::invalid_argument);
  Cpu dry = Cpu::dry_device();
  CHECK_THROWS_AS(to_dlpack(Tensor<float, Cpu>(dry, {1, 2, 3, 4})), StateError);
}
