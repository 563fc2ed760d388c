#include <cmath>
#include <sstream>

#include "retrace/check/check_layer.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::contract;

namespace {

/// H(x) = sin x, and no more than a stage must have. Its gradient may be taken for a multiple.
template <class T>
struct Sine {
  using State = Tensor<T, Cpu>;
  using Gradient = State;
  double factor = 1;

  Shape output_shape(Shape x) const { return x; }
  void apply(View<T, Cpu> y, View<const T, Cpu> x, Run, Store how) {
    cpu::for_each_pixel(
        y,
        [=, channels = x.shape().c](T* to, const T* from) {
          for (Index c = 0; c < channels; ++c) store(to[c], std::sin(from[c]), how);
        },
        x);
  }
  void gradient(View<const T, Cpu> x, View<const T, Cpu> dy, View<T, Cpu> dx, Store how) {
    cpu::for_each_pixel(
        dx,
        [=, channels = x.shape().c, scale = static_cast<T>(factor)](T* to, const T* at,
                                                                    const T* from) {
          for (Index c = 0; c < channels; ++c) store(to[c], scale * std::cos(at[c]) * from[c], how);
        },
        x, dy);
  }
  template <class V>
  void inside(V) {}
};

Findings check_sine(double factor) {
  const auto make = [=]<class T>(Cpu&) { return Sine<T>{factor}; };
  return check_branch(make, {{2, 3, 4, 2}, {1, 1, 5, 3}}, {.inverse = 2, .restored = 2});
}

}  // namespace

TEST_CASE("a branch of two functions alone keeps its contract") { CHECK(check_sine(1) == ""); }

TEST_CASE("a branch of a wrong gradient is refused, and what is wrong is said") {
  const Findings found = check_sine(1.001);
  CHECK_FALSE(found.empty());
  CHECK(found.size() == 8);  // slopes along three lines and what they leave, for two shapes
  CHECK_THAT(found.text(), containing("2x3x4x4: dx is") && containing("1x1x5x6: what dx leaves"));
}

TEST_CASE("a gradient of roundings alone is compared relative to the largest of its pass") {
  const std::vector<Values> exact{{2, -4}, {1e-17}};
  const auto distance = [&](const std::vector<Values>& a, std::size_t i) {
    return gradient_distance(a, exact, i);
  };
  CHECK(distance({{2, -3}, {1e-8}}, 0) == 0.25);
  CHECK(distance({{2, -4}, {1e-8}}, 1) == Approx(0.25e-8));
  CHECK(distance({{2, -4}, {1e-2}}, 1) == Approx(0.25e-2));
  CHECK(std::isinf(distance({{2, -4}, {std::nan("")}}, 1)));
  CHECK(gradient_distance({{0}, {0}}, {{0}, {0}}, 1) == 0);
}

TEST_CASE("findings are sentences, one a line") {
  Findings inner, outer;
  CHECK(inner == "");
  CHECK(inner.empty());
  inner.add("x is off");
  outer.add("y is off");
  outer.add("2x3x4x2", inner);
  outer.add(inner);
  CHECK(outer.size() == 3);
  CHECK(outer == "y is off\n2x3x4x2: x is off\nx is off\n");
  CHECK(*outer.begin() == "y is off");
  std::ostringstream printed;
  printed << outer;
  CHECK(printed.str() == outer.text());
  CHECK(too_far("x", 2, 2) == "");
  CHECK(too_far("x", 2.5, 2) == "x is off by 2.5 roundings but must be within 2\n");
  CHECK_FALSE(too_far("x", std::nan(""), 2).empty());
}
