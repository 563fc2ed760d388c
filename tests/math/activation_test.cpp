#include "retrace/math/activation.hpp"

#include "support/catch.hpp"

using namespace retrace;

TEST_CASE("a rectifier, its slope and its inverse") {
  static_assert(math::activate(2.0, 0.25) == 2 && math::activate(-2.0, 0.25) == -0.5);
  static_assert(math::activate(-2.0, 0.0) == 0 && math::activate(-2.0, 1.0) == -2);
  static_assert(math::activation_slope(3.0, 0.25) == 1 &&
                math::activation_slope(-3.0, 0.25) == 0.25);
  static_assert(math::activation_slope(0.0, 0.25) == 0.25);  // at 0 the negative slope applies
  static_assert(math::deactivate(2.0, 0.25) == 2 && math::deactivate(-0.5, 0.25) == -2);
  static_assert(identity.invertible() && leaky_relu(0.1).invertible() && !relu.invertible());
  CHECK(math::deactivate(math::activate(-0.7f, 0.3f), 0.3f) == Approx(-0.7f).epsilon(1e-6));
}
