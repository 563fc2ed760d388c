#include "ode/fields.hpp"
#include "retrace/ode/ode_block.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("OdeBlock keeps the contract of a layer") {
  for (OdeMethod method : {OdeMethod::rk4, OdeMethod::leapfrog, OdeMethod::reversible_heun}) {
    const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
      return OdeBlock<T, Cpu>(
          small_field<T>(device, 5),
          {.method = method, .end = 0.5, .steps = 3, .least_decibels = 0, .checks_finite = false});
    };
    CAPTURE(name(method));
    CHECK(check_layer(make, {{3, 1, 2, 5}, {2, 3, 1, 5}},
                      {.restored = 32, .agreement = 64, .added = 16}) == "");
  }
}
