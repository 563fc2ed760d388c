#include "retrace/layer/rounded_branch.hpp"

#include "retrace/cpu/affine.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/swap_coupling.hpp"
#include "retrace/math/bfloat16.hpp"
#include "support/catch.hpp"
#include "support/streams.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Conv = Conv2d<float, Cpu>;
template <class E>
using Rounded = RoundedBranch<Conv, E, Cpu>;

constexpr Shape half{3, 5, 4, 6};

Conv convolution(Cpu& device) {
  Random random(1);
  return {device, 6, 6, random};
}

SharedStreamFormat format_of(int bits) {
  auto format = std::make_shared<StreamFormat>();
  format->fraction_bits = bits;
  return format;
}

template <class E>
Tensor<E, Cpu> fixed(Cpu& device, Shape shape, int bits, unsigned seed = 1) {
  const auto x = normal<float>(device, shape, seed);
  Tensor<E, Cpu> q(device, shape);
  store_rounded(q.view(), x.view(), std::ldexp(1.0, -bits), Store::set);
  return q;
}

}  // namespace

TEMPLATE_TEST_CASE("a rounded branch adds round(H(x)) to the integer", "", std::int16_t,
                   std::int32_t) {
  Cpu device(2);
  Conv plain = convolution(device);
  Rounded<TestType> branch(convolution(device), format_of(9));
  const auto source = fixed<TestType>(device, half, 9, 2);
  auto target = fixed<TestType>(device, half, 9);
  Tensor<float, Cpu> x(device, half), value(device, half);
  widen(x.view(), source.view(), 0x1p-9);
  plain.apply(value.view(), x.view(), inference, Store::set);
  Values expected = values(target);
  const Values h = values(value), before = expected;
  for (std::size_t i = 0; i < h.size(); ++i) expected[i] += std::nearbyint(512 * h[i]);

  branch.apply(target.view(), source.view(), inference, Store::add);
  CHECK(values(target) == expected);
  branch.apply(target.view(), source.view(), inference, Store::subtract);
  CHECK(values(target) == before);
}

TEST_CASE("a rounded branch passes gradients straight through the rounding") {
  Cpu device(2);
  Conv plain = convolution(device);
  Rounded<std::int16_t> branch(convolution(device), format_of(9));
  const auto source = fixed<std::int16_t>(device, half, 9, 2);
  auto target = fixed<std::int16_t>(device, half, 9);
  Tensor<float, Cpu> x(device, half), value(device, half);
  widen(x.view(), source.view(), 0x1p-9);
  const auto dtarget = normal<float>(device, half, 3);
  auto dsource = normal<float>(device, half, 4), expected = clone(dsource);

  plain.apply(value.view(), x.view(), training, Store::set);
  plain.gradient(std::as_const(x).view(), dtarget.view(), expected.view(), Store::add);
  branch.apply(target.view(), source.view(), training, Store::subtract);
  branch.gradient(source.view(), dtarget.view(), dsource.view(), Store::add);
  CHECK(memory_of(dsource) == memory_of(expected));
  CHECK(memory_of(branch.branch().weight().gradient) == memory_of(plain.weight().gradient));
}

TEST_CASE("an image's bits do not depend on the images beside it, nor on the threads") {
  const Index channels = GENERATE(6, 32);  // direct, and by Winograd where that is used
  Cpu one(1), two(2);
  const Shape images{5, 12, 10, channels};
  const auto branch_on = [&](Cpu& device) {
    Random random(1);
    return Rounded<std::int16_t>(Conv(device, channels, channels, random), format_of(9));
  };
  Rounded<std::int16_t> branch = branch_on(one), other = branch_on(two);
  const auto source = fixed<std::int16_t>(one, images, 9, 2),
             same = fixed<std::int16_t>(two, images, 9, 2);
  auto whole = fixed<std::int16_t>(one, images, 9), parts = fixed<std::int16_t>(two, images, 9);
  branch.apply(whole.view(), source.view(), inference, Store::add);
  for (Index i = 0; i < images.n; ++i)
    other.apply(parts.view().images(i, 1), same.view().images(i, 1), inference, Store::add);
  CHECK(memory_of(parts) == memory_of(whole));
}

TEST_CASE("a sum that leaves the range is refused by name, counted, or lowers the fraction bits") {
  Cpu device;
  const SharedStreamFormat format = format_of(13);  // up to 4
  Rounded<std::int16_t> branch(convolution(device), format);
  const auto source = fixed<std::int16_t>(device, half, 13, 2);
  auto target = fixed<std::int16_t>(device, half, 13);
  const Memory before = memory_of(target);
  const MemoryMeter::Place place(device.memory(), "block7");
  CHECK_THROWS_AS(branch.apply(target.view(), source.view(), inference, Store::add),
                  StreamOverflow);
  CHECK(format->overflows > 0);
  target = fixed<std::int16_t>(device, half, 13);
  CHECK_THROWS_WITH(branch.apply(target.view(), source.view(), inference, Store::add),
                    containing("block7: ") && containing("13 fraction bits: take fewer"));

  format->on_overflow = OnOverflow::count;
  format->overflows = 0;
  target = fixed<std::int16_t>(device, half, 13);
  branch.apply(target.view(), source.view(), inference, Store::add);
  CHECK(format->overflows > 0);
  const Index counted = format->overflows;
  branch.apply(target.view(), source.view(), inference, Store::subtract);
  CHECK(format->overflows == counted);
  CHECK(memory_of(target) == before);

  format->on_overflow = OnOverflow::lower;
  CHECK_THROWS_WITH(branch.apply(target.view(), source.view(), inference, Store::add),
                    containing("it has one less from now on"));
  CHECK(format->fraction_bits == 12);
}

TEST_CASE("a branch whose value is no number is refused by name") {
  Cpu device;
  Conv inner = convolution(device);
  inner.weight().value.data()[5] = std::numeric_limits<float>::quiet_NaN();
  Rounded<std::int16_t> branch(std::move(inner), format_of(9));
  const auto source = fixed<std::int16_t>(device, half, 9, 2);
  auto target = fixed<std::int16_t>(device, half, 9);
  const MemoryMeter::Place place(device.memory(), "block7");
  CHECK_THROWS_WITH(branch.apply(target.view(), source.view(), inference, Store::add),
                    containing("block7: ") && containing("NaN or infinite"));
}

TEST_CASE("couplings of rounded branches come back exactly, those in bfloat16 do not") {
  Cpu device(2);
  const Shape shape = with_channels(half, 12);
  const auto returns = [&]<class E>(E, int blocks) {
    Chain<float, Cpu, E> chain;
    const auto format = format_of(9);
    for (int i = 0; i < blocks; ++i)
      chain
          .add("add", AdditiveCoupling<Rounded<E>>({convolution(device), format},
                                                   {convolution(device), format}))
          .add("swap", SwapCoupling<Rounded<E>>({convolution(device), format}));
    const auto image = normal<float>(device, shape);
    Tensor<E, Cpu> q(device, shape);
    store_rounded(q.view(), image.view(), format->step(), Store::set);
    const Memory before = memory_of(q);
    chain.forward(q, training);
    CHECK(memory_of(q) != before);
    chain.inverse(q, training);
    return memory_of(q) == before;
  };
  CHECK(returns(std::int16_t{}, 1));
  CHECK(returns(std::int32_t{}, 1));
  CHECK_FALSE(returns(math::Bfloat16{}, 1));
}
