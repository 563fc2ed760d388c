#include "retrace/core/shape.hpp"

#include "retrace/core/error.hpp"
#include "support/catch.hpp"

using namespace retrace;

TEST_CASE("shapes count elements and convert to text") {
  constexpr Shape shape{2, 8, 7, 16};
  static_assert(shape.pixels() == 112 && shape.size() == 1792);
  static_assert(with_channels(shape, 3) == Shape{2, 8, 7, 3});
  static_assert(per_channel(5) == Shape{1, 1, 1, 5});
  CHECK(to_string(shape) == "2x8x7x16");
  CHECK(Shape{0, 8, 7, 16}.size() == 0);
}

TEST_CASE("checks name the place and both values") {
  const Shape a{2, 8, 8, 16}, b{2, 8, 8, 8};
  CHECK_NOTHROW(require_same_shape("Here", "y", a, "dy", a));
  CHECK_THROWS_AS(require_same_shape("Here", "y", a, "dy", b), ShapeError);
  CHECK_THROWS_WITH(require_same_shape("LeakyRelu::backward", "y", a, "dy", b),
                    "LeakyRelu::backward: y is 2x8x8x16 but dy is 2x8x8x8");
  CHECK_NOTHROW(require_channels("Here", "x", a, 16));
  CHECK_THROWS_WITH(require_channels("Conv2d", "x", a, 8),
                    "Conv2d: x is 2x8x8x16 but must have 8 channels");
}
