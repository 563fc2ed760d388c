#include "retrace/net/repeat.hpp"

#include "retrace/cpu/operations.hpp"
#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/batch_norm.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/smooth.hpp"
#include "retrace/layer/time_shift.hpp"
#include "retrace/net/branch.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
Branch<T, Cpu> branch(Cpu& device, Random& random) {
  Branch<T, Cpu> f;
  f.add("linear0", Linear<T, Cpu>(device, 3, 5, random, 0.5));
  f.add("time", TimeShift<T, Cpu>(device, 5, random));
  f.add("tanh", Tanh<T, Cpu>());
  f.add("linear1", Linear<T, Cpu>(device, 5, 3, random, 0.5));
  return f;
}

template <class T>
AdditiveCoupling<Branch<T, Cpu>> coupling(Cpu& device) {
  Random random(4);
  Branch<T, Cpu> f = branch<T>(device, random);
  return {std::move(f), branch<T>(device, random)};
}

}  // namespace

TEST_CASE("Repeat keeps the contract of a layer") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    return Repeat(coupling<T>(device), 4);
  };
  CHECK(check_layer(make, {{3, 1, 2, 6}, {2, 3, 1, 6}},
                    {.inverse = 64, .restored = 64, .agreement = 64, .added = 16}) == "");
}

TEST_CASE("Repeat applies its layer at the times 1/N to 1") {
  Cpu device;
  auto one = coupling<double>(device);
  const auto x = normal<double>(device, {2, 1, 1, 6}, 1);
  auto y = clone(x), z = clone(x);
  for (double time : {0.25, 0.5, 0.75, 1.0}) {
    inside::set_time(one, {.of_all = time});
    one.forward(y, inference);
  }
  Repeat repeat(coupling<double>(device), 4);
  repeat.forward(z, inference);
  CHECK(same_bits(values(y), values(z)));
}

TEST_CASE("Repeat stores nothing, or one input per application in mode stored") {
  Cpu device;
  const auto x = normal<float>(device, {2, 1, 1, 6}, 1);
  AnyLayer<float> repeat = Repeat(coupling<float>(device), 50);
  CHECK(kept_bytes(repeat, x) == 0);
  repeat.set_mode(Mode::stored);
  CHECK(kept_bytes(repeat, x) == 50 * 12 * sizeof(float));
}

TEST_CASE("Repeat refuses a layer that records, and no steps") {
  Cpu device;
  const auto normalised = [&] {
    Branch<float, Cpu> f, g;
    f.add("norm", BatchNorm<float, Cpu>(device, 3));
    g.add("norm", BatchNorm<float, Cpu>(device, 3));
    return AdditiveCoupling(std::move(f), std::move(g));
  };
  CHECK_THROWS_WITH(Repeat(normalised(), 2), containing("records or counts something"));
  CHECK_THROWS_WITH(Repeat(coupling<float>(device), 0), "Repeat: steps must be at least 1, got 0");
}
