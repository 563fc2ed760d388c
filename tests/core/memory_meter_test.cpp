#include "retrace/core/memory_meter.hpp"

#include "support/catch.hpp"

using namespace retrace;

TEST_CASE("the meter counts live and peak bytes by use") {
  MemoryMeter meter;
  meter.allocated(Use::activation, 100);
  meter.allocated(Use::gradient, 50);
  meter.released(Use::activation, 100);
  meter.allocated(Use::workspace, 30);
  CHECK(meter.live().total() == 80);
  CHECK(meter.live()[Use::gradient] == 50);
  CHECK(meter.live()[Use::workspace] == 30);
  // The bytes held at the peak, not the sum of each use's own peak.
  CHECK(meter.peak().total() == 150);
  CHECK(meter.peak()[Use::activation] == 100);
  CHECK(meter.peak()[Use::workspace] == 0);

  meter.restart_peak();
  CHECK(meter.peak() == meter.live());
  meter.released(Use::gradient, 50);
  CHECK(meter.peak().total() == 80);
}

TEST_CASE("changing the use of bytes does not affect the total or the peak") {
  MemoryMeter meter;
  meter.set_limit(100);
  meter.allocated(Use::activation, 100);
  meter.moved(Use::activation, Use::stash, 100);
  CHECK(meter.live()[Use::stash] == 100);
  CHECK(meter.live().total() == 100);
  CHECK(meter.peak()[Use::activation] == 100);
}

TEST_CASE("the peak records the current layer") {
  MemoryMeter meter;
  meter.allocated(Use::activation, 10);
  CHECK(meter.peak_place() == "");
  {
    MemoryMeter::Place outer(meter, "level1.block0");
    meter.allocated(Use::stash, 1);
    {
      MemoryMeter::Place inner(meter, "conv1");
      CHECK(meter.place() == "level1.block0.conv1");
      meter.allocated(Use::stash, 1);
    }
    meter.released(Use::stash, 2);
    meter.allocated(Use::workspace, 2);  // equals the peak, whose place does not change
  }
  CHECK(meter.place() == "");
  CHECK(meter.peak_place() == "level1.block0.conv1");
  meter.restart_peak();
  CHECK(meter.peak_place() == "");
}

TEST_CASE("the place of the peak outlives the layer it names") {
  MemoryMeter meter;
  {
    const std::string name = "a layer with a name too long for a small string";
    MemoryMeter::Place place(meter, name);
    meter.allocated(Use::activation, 1);
  }
  CHECK(meter.peak_place() == "a layer with a name too long for a small string");
}

TEST_CASE("exceeding a limit throws with all details and counts nothing") {
  MemoryMeter meter;
  CHECK(meter.limit() == MemoryMeter::unlimited);
  meter.allocated(Use::parameter, 400'000);
  meter.allocated(Use::stash, 1'500);
  meter.set_limit(500'000);
  MemoryMeter::Place outer(meter, "level2.block0"), inner(meter, "conv0");
  const Bytes before = meter.live();
  try {
    meter.allocated(Use::workspace, 98'501);
    FAIL("the limit was exceeded");
  } catch (const OutOfMemory& error) {
    CHECK(error.place == "level2.block0.conv0");
    CHECK(error.use == Use::workspace);
    CHECK(error.wanted == 98'501);
    CHECK(error.held == before);
    CHECK(error.limit == 500'000);
    CHECK(std::string(error.what()) ==
          "level2.block0.conv0: out of memory: cannot allocate 98.5 kB for workspace: 401.5 kB are "
          "in use (stash 1.5 kB, parameter 400.0 kB) and the limit is 500.0 kB");
  }
  CHECK(meter.live() == before);
  CHECK(meter.peak() == before);
  CHECK_NOTHROW(meter.allocated(Use::workspace, 98'500));
  CHECK_THROWS_AS(meter.allocated(Use::workspace, 1), OutOfMemory);
  CHECK_THROWS_AS(meter.allocated(Use::workspace, MemoryMeter::unlimited), OutOfMemory);
}

TEST_CASE("a limit below the held bytes allows no allocation") {
  MemoryMeter meter;
  meter.allocated(Use::parameter, 100);
  meter.set_limit(50);
  CHECK_THROWS_AS(meter.allocated(Use::stash, 1), OutOfMemory);
  CHECK_THROWS_AS(meter.allocated(Use::stash, 50), OutOfMemory);
}

TEST_CASE("bytes are printed in decimal units") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(999) == "999 B");
  CHECK(format_bytes(1000) == "1.0 kB");
  CHECK(format_bytes(123'450'000) == "123.4 MB");
  CHECK(format_bytes(5e15) == "5000.0 TB");
}
