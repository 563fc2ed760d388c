// A state in fixed point: reconstructed bit for bit, with the gradients of the same network stored.
#include "retrace/net/fixed_stream.hpp"

#include "support/catch.hpp"
#include "support/streams.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape batch{4, 4, 4, 4};

struct PassMemory {
  Memory q, dx;
  std::vector<Memory> gradients;
  bool operator==(const PassMemory&) const = default;
};

/// Forward and backward of the chain within the stream. `q` is what enters, before and after.
template <class E>
PassMemory pass(Cpu& device, SmallStream<E>& stream, unsigned seed) {
  ParameterList<float, Cpu> parameters;
  inside::collect(stream, "", parameters);
  parameters.zero_gradients();
  const auto image = normal<float>(device, batch, seed);
  Tensor<E, Cpu> q(device, batch);
  store_rounded(q.view(), image.view(), stream.format()->step(), Store::set);
  const Memory entered = memory_of(q);
  stream.chain().forward(q, training);
  auto dy = normal<float>(device, q.shape(), seed + 1, Use::gradient);
  stream.chain().backward(q, dy);
  CHECK(memory_of(q) == entered);
  return {memory_of(q), memory_of(dy), gradient_memory(stream)};
}

template <class E>
SmallStream<E> with_mode(SmallStream<E> stream, Mode mode) {
  inside::set_mode(stream, mode);
  return stream;
}

FixedStreamOptions bits(int count) { return {.fraction_bits = count}; }

}  // namespace

TEMPLATE_TEST_CASE("200 blocks are retraced bit for bit, with the gradients of stored activations",
                   "", std::int16_t, std::int32_t) {
  for (int threads : {1, 2}) {
    Cpu device(threads);
    const auto options = bits(sizeof(TestType) == 2 ? 8 : 18);
    auto reversible = small_stream<TestType>(device, 100, options),
         stored = with_mode(small_stream<TestType>(device, 100, options), Mode::stored);
    for (unsigned seed : {1u, 2u}) {
      const PassMemory expected = pass(device, stored, seed);
      CHECK(pass(device, reversible, seed) == expected);
    }
    CHECK(reversible.format()->overflows == 0);
  }
}

TEMPLATE_TEST_CASE("a thousand steps train the same network to the last bit", "", std::int16_t,
                   std::int32_t) {
  Cpu device(1);
  const auto options = bits(sizeof(TestType) == 2 ? 9 : 18);
  auto reversible = small_stream<TestType>(device, 2, options),
       stored = with_mode(small_stream<TestType>(device, 2, options), Mode::stored);
  ParameterList<float, Cpu> a, b;
  inside::collect(reversible, "", a);
  inside::collect(stored, "", b);
  const auto train = [](ParameterList<float, Cpu>& list) {
    for (auto& named : list.parameters)
      for (Index i = 0; i < named.parameter->value.shape().size(); ++i)
        named.parameter->value.data()[i] -= 1e-3f * named.parameter->gradient.data()[i];
  };
  bool same = true;
  for (unsigned step = 0; step < 1000; ++step) {
    same = same && pass(device, reversible, step) == pass(device, stored, step);
    train(a);
    train(b);
  }
  CHECK(same);
  CHECK(gradient_memory(reversible) == gradient_memory(stored));
}

TEST_CASE("a stream as a layer gives what its chain gives, and x comes back rounded") {
  Cpu device(2);
  auto stream = small_stream<std::int16_t>(device, 2, bits(8));
  const auto image = normal<float>(device, batch);
  for (Mode mode : {Mode::reversible, Mode::stored}) {
    inside::set_mode(stream, mode);
    auto x = clone(image);
    const Bytes before = device.memory().live();
    stream.forward(x, training);
    CHECK(x.shape() == Shape{4, 2, 2, 16});
    auto dy = normal<float>(device, x.shape(), 2, Use::gradient);
    stream.backward(x, dy);
    CHECK(device.memory().live()[Use::stash] == before[Use::stash]);
    Values expected = values(image);
    for (double& value : expected) value = std::nearbyint(256 * value) / 256;
    CHECK(values(x) == expected);
    CHECK(dy.shape() == batch);

    Run careless = training;
    careless.restore = false;
    auto again = clone(image), d_again = normal<float>(device, {4, 2, 2, 16}, 2, Use::gradient);
    stream.forward(again, careless);
    stream.backward(again, d_again);
    CHECK(again.shape().size() == 0);
    CHECK(memory_of(d_again) == memory_of(dy));
  }
}

TEST_CASE("a stream holds its state in the bytes of its elements") {
  Cpu device(2);
  auto narrow = small_stream<std::int16_t>(device, 1);
  auto wide = small_stream<std::int32_t>(device, 1);
  const auto kept = [&](auto& stream) {
    auto x = normal<float>(device, batch);
    const std::size_t before = device.memory().live()[Use::stash];
    stream.forward(x, training);
    const std::size_t bytes = device.memory().live()[Use::stash] - before;
    inside::abandon(stream);
    CHECK(device.memory().live()[Use::stash] == before);
    return bytes;
  };
  CHECK(kept(narrow) == 2 * static_cast<std::size_t>(batch.size()));
  CHECK(kept(wide) == 4 * static_cast<std::size_t>(batch.size()));
}

TEST_CASE("fraction bits are chosen from the first batch, with head-room") {
  Cpu device(2);
  auto stream = small_stream<std::int16_t>(device, 3, {.head_room = 1}),
       roomy = small_stream<std::int16_t>(device, 3, {.head_room = 4});
  double largest_q = 0;
  const auto run = [&](auto& each) {
    largest_q = 0;
    each.chain().observe([&](const FixedChain<std::int16_t>::Visit& visit) {
      largest_q = std::max(largest_q, largest_magnitude(visit.x.view()));
    });
    auto x = normal<float>(device, batch);
    each.forward(x, training);
    each.chain().observe({});
    inside::abandon(each);
  };
  const auto first = normal<float>(device, batch);
  {
    auto x = clone(first);
    stream.forward(x, inference);  // chooses
    x = clone(first);
    roomy.forward(x, inference);
  }
  CHECK(roomy.format()->fraction_bits == stream.format()->fraction_bits - 3);
  const int chosen = stream.format()->fraction_bits;
  run(stream);
  CHECK(largest_q < 0x1p14 * 1.3);  // a bit is left, by and large
  CHECK(largest_q > 0x1p12);
  auto x = normal<float>(device, batch, 7);
  stream.forward(x, training);
  CHECK(stream.format()->fraction_bits == chosen);
  CHECK(stream.format()->overflows == 0);

  auto given = small_stream<std::int16_t>(device, 1, bits(5));
  x = normal<float>(device, batch);
  given.forward(x, training);
  CHECK(given.format()->fraction_bits == 5);
}

TEST_CASE("a rehearsal chooses nothing and needs what the first pass needs") {
  Cpu device(2);
  auto stream = small_stream<std::int16_t>(device, 1);
  const auto train = [&] {
    auto x = Tensor<float, Cpu>(device, batch);
    fill(x.view(), 1.f);
    stream.forward(x, training);
    auto dy = Tensor<float, Cpu>(device, x.shape(), Use::gradient);
    fill(dy.view(), 1.f);
    stream.backward(x, dy);
    return device.memory().peak();
  };
  Bytes predicted;
  {
    Cpu::Rehearsal rehearsal(device);
    predicted = train();
  }
  CHECK(stream.format()->fraction_bits == math::most_fraction_bits<std::int16_t>);
  device.memory().restart_peak();
  CHECK(train() == predicted);
  CHECK(stream.format()->fraction_bits < math::most_fraction_bits<std::int16_t>);
}

TEST_CASE("a stream refuses what is no number, what does not fit and what makes no sense") {
  Cpu device;
  CHECK_THROWS_WITH(SmallStream<std::int16_t>(bits(15)),
                    "fixed point of 16 bits has 0 to 14 fraction bits, not 15");
  CHECK_THROWS_WITH(SmallStream<std::int16_t>({.head_room = -1}), containing("head-room"));
  auto stream = small_stream<std::int16_t>(device, 1);
  auto x = normal<float>(device, batch);
  const Bytes before = device.memory().live();
  x.data()[3] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH(stream.forward(x, training), containing("NaN or infinite"));
  x = normal<float>(device, batch);
  x.data()[3] = 40000;
  inside::abandon(stream);
  CHECK(device.memory().live() == before);
  auto fresh = small_stream<std::int16_t>(device, 1);
  CHECK_THROWS_AS(fresh.forward(x, training), std::exception);
  x = normal<float>(device, batch);
  auto dy = normal<float>(device, {4, 2, 2, 16});
  CHECK_THROWS_WITH(stream.backward(x, dy), containing("FixedStream: no forward pass"));
}
