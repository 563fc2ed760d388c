// The table of a network says what a training step keeps.
#include "retrace/net/summary.hpp"

#include <sstream>

#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a summary says what forward keeps, to the byte, and leaves nothing behind") {
  Cpu device(2);
  for_every_way(device, [&](Net& net, Architecture, const Way&) {
    const Bytes before = device.memory().live();
    const std::size_t allocations = device.allocations();
    const Summary table = summary(net, device, small_batch);
    CHECK(device.memory().live() == before);
    CHECK(device.allocations() == allocations);

    auto x = images(device);
    net.forward(x, training);
    CHECK(table.kept() == device.memory().live()[Use::stash] - before[Use::stash]);
    net.abandon();
    CHECK(table.layers.size() == net.size());
    CHECK(table.layers.back().output == x.shape());
    CHECK(table.parameters() == net.parameters().count());
  });
}

TEST_CASE("a summary is a table with a total, and says which layers are recomputed") {
  Cpu device;
  Blocks<double, Cpu> make(device, {});
  Net net;
  net.add("stem", make.conv(3, 4)).add("block", make.coupling(4));
  net.add("second", make.coupling(4)).add("average", GlobalAverage<double, Cpu>());
  net.set_mode(1, Mode::chunked);
  const Summary table = summary(net, device, {2, 8, 6, 3});
  std::ostringstream printed;
  printed << table;
  CHECK(printed.str() ==
        "layer     output  parameters        mode    kept\n"
        "input    2x8x6x3                                \n"
        "stem     2x8x6x4         108      stored  2.3 kB\n"
        "block    2x8x6x4         160     chunked     0 B\n"
        "second   2x8x6x4         160  reversible     0 B\n"
        "average  2x1x1x4           0      stored  3.0 kB\n"
        "total                    428              5.3 kB\n");

  net.recompute(1, 3);
  const Summary again = summary(net, device, {2, 8, 6, 3});
  CHECK(again.layers[1].mode == "checkpoint");
  CHECK(again.layers[1].kept == 2 * 8 * 6 * 4 * sizeof(double));
  CHECK(again.layers[2].mode == "recomputed");
  CHECK(again.layers[2].kept == 0);
  CHECK_THROWS_AS(summary(net, device, {2, 8, 6, 5}), ShapeError);
}
