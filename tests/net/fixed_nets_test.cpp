// The networks with their state in fixed point.
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

Net fixed_net(Cpu& device, Architecture architecture, Stream stream) {
  NetOptions options = small_options(architecture);
  options.stream = stream;
  return build<double>(device, architecture, options);
}

}  // namespace

TEST_CASE("a network in fixed point has bit for bit the gradients that it has when stored") {
  for (Architecture architecture :
       {Architecture::revnet, Architecture::irevnet, Architecture::hybrid})
    for (Stream stream : {Stream::fixed32, Stream::fixed16})
      for (int threads : {1, 2}) {
        CAPTURE(name(architecture), name(stream), threads);
        Cpu device(threads);
        Net stored = fixed_net(device, architecture, stream),
            reversible = fixed_net(device, architecture, stream);
        stored.set_mode(Mode::stored);
        reversible.set_mode(Mode::reversible);
        for (unsigned seed : {1u, 2u}) {
          const StepValues expected = step(stored, device, small_batch, seed),
                           found = step(reversible, device, small_batch, seed);
          CHECK(found.loss.mean() == expected.loss.mean());
          CHECK(same_bits(found.gradients, expected.gradients));
          CHECK(same_bits(found.buffers, expected.buffers));
          CHECK(same_bits(found.x, expected.x));
        }
      }
}

TEST_CASE("a chunked network in fixed point has the gradients that it has when stored") {
  for (Architecture architecture :
       {Architecture::revnet, Architecture::irevnet, Architecture::hybrid})
    for (Stream stream : {Stream::fixed32, Stream::fixed16}) {
      CAPTURE(name(architecture), name(stream));
      Cpu device(2);
      Net stored = fixed_net(device, architecture, stream),
          chunked = fixed_net(device, architecture, stream);
      stored.set_mode(Mode::stored);
      chunked.set_mode(Mode::chunked);
      chunked.set_chunk(2);
      for (unsigned seed : {1u, 2u}) {
        const StepValues expected = step(stored, device, small_batch, seed),
                         found = step(chunked, device, small_batch, seed);
        CHECK(found.loss.mean() == expected.loss.mean());
        CHECK(relative_distance(found.gradients, expected.gradients) < 1e-12);
        CHECK(same_bits(found.buffers, expected.buffers));
        CHECK(same_bits(found.x, expected.x));
      }
    }
}

TEST_CASE("a network in fixed point starts with the weights, and near the values, of its own") {
  Cpu device(2);
  for (Architecture architecture :
       {Architecture::revnet, Architecture::irevnet, Architecture::hybrid}) {
    CAPTURE(name(architecture));
    Net floating = small_net(device, architecture);
    const StepValues expected = step(floating, device);
    const auto distance = [&](Stream stream) {
      Net net = fixed_net(device, architecture, stream);
      CHECK(net.parameters().count() == floating.parameters().count());
      return std::abs(step(net, device).loss.mean() - expected.loss.mean());
    };
    CHECK(distance(Stream::fixed32) < 1e-4);
    CHECK(distance(Stream::fixed16) < 0.05);
    CHECK(distance(Stream::fixed16) > distance(Stream::fixed32));
  }
}

TEST_CASE("fraction bits can be given for all levels and for each") {
  Cpu device;
  NetOptions options = small_options(Architecture::revnet);
  options.stream = Stream::fixed16;
  const auto loss = [&](std::vector<int> bits) {
    options.fraction_bits = std::move(bits);
    Net net = build<double>(device, Architecture::revnet, options);
    return step(net, device).loss.mean();
  };
  CHECK(loss({9}) == loss({9, 9}));
  CHECK(loss({9}) != loss({9, 6}));
  CHECK_THROWS_WITH(loss({9, 9, 9}),
                    "there are 3 numbers of fraction bits for a network with 2 "
                    "streams in fixed point");
  CHECK_THROWS_WITH(loss({15}), "fixed point of 16 bits has 0 to 14 fraction bits, not 15");
  CHECK_THROWS_AS(loss({14}), StreamOverflow);
  options.fraction_bits = {9, 9};
  CHECK_THROWS_WITH(build<double>(device, Architecture::irevnet, options),
                    containing("levels") || containing("1 streams"));
}

TEST_CASE("networks with other blocks than couplings refuse a fixed-point stream") {
  Cpu device;
  for (Architecture architecture :
       {Architecture::resnet, Architecture::layerwise, Architecture::resnet_inplace_abn})
    CHECK_THROWS_WITH(fixed_net(device, architecture, Stream::fixed16),
                      containing("a stream in fixed16 needs a network of couplings") &&
                          containing(std::string(name(architecture)) + " is not"));
}
