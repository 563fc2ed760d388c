// Memory does not grow with depth.
#include "retrace/cpu/conv2d.hpp"
#include "retrace/net/architectures.hpp"
#include "retrace/net/blocks.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Index channels = 16;

/// What one training pass of a chain of blocks holds at its peak beside what was held before.
Bytes peak_of_pass(Index blocks, bool inverted, Mode mode, Index batch) {
  Cpu device(2);
  Blocks<float, Cpu> make(device, {.slope = 0.5});
  Chain<float, Cpu> net;
  for (Index i = 0; i < blocks; ++i) {
    const std::string name = "block" + std::to_string(i);
    if (inverted)
      net.add(name, make.inverted_coupling(channels));
    else
      net.add(name, make.coupling(channels));
  }
  net.set_mode(mode);
  auto x = normal<float>(device, {batch, 8, 8, channels});
  auto dy = normal<float>(device, {batch, 8, 8, channels}, 2, Use::gradient);
  const Bytes before = device.memory().live();
  device.memory().restart_peak();
  net.forward(x, training);
  net.backward(x, dy);
  CHECK(device.memory().live() == before);
  Bytes peak = device.memory().peak();
  for (Use use : all_uses) peak[use] -= before[use];
  return peak;
}

/// Bytes of a block that last longer than a pass.
std::size_t bytes_of_block(Use use) {
  const auto live = [&](Index blocks) {
    Cpu device;
    Blocks<float, Cpu> make(device, {});
    Chain<float, Cpu> net;
    for (Index i = 0; i < blocks; ++i)
      net.add("block" + std::to_string(i), make.coupling(channels));
    return device.memory().live()[use];
  };
  CHECK(live(8) == 8 * live(1));
  return live(1);
}

}  // namespace

TEST_CASE("the peak of a reversible pass is the same to the byte at any depth") {
  const bool inverted = GENERATE(false, true);
  const Mode mode = inverted ? Mode::inverted : Mode::reversible;
  CAPTURE(inverted);
  const Bytes two = peak_of_pass(2, inverted, mode, 4);
  for (Index depth : {8, 32, 64}) CHECK(peak_of_pass(depth, inverted, mode, 4) == two);
}

TEST_CASE("the peak of a stored pass does grow with depth") {
  const auto kept = [](Index blocks) {
    return peak_of_pass(blocks, false, Mode::stored, 4)[Use::stash];
  };
  CHECK(kept(8) > 3 * kept(2));
}

TEST_CASE("a reversible block keeps parameters, gradients and 16 bytes a channel at most") {
  // Four convolutions of half the channels to half the channels, each with a normalisation.
  constexpr std::size_t half = channels / 2, weights = 4 * 9 * half * half, norms = 4 * half;
  CHECK(bytes_of_block(Use::parameter_gradient) == 4 * (weights + 2 * norms));
  const std::size_t statistics = bytes_of_block(Use::parameter) + bytes_of_block(Use::stash) -
                                 bytes_of_block(Use::parameter_gradient);
  CHECK(statistics <= 16 * norms);
  CHECK(bytes_of_block(Use::activation) == 0);
}
