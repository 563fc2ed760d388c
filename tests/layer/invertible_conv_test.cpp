#include "retrace/layer/invertible_conv.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Conv = InvertibleConv<double, Cpu>;
constexpr Shape shape{2, 3, 2, 5};

Parameter<double, Cpu>& part(Conv& layer, const std::string& name) {
  Parameter<double, Cpu>* found = nullptr;
  layer.inside([&](const std::string& of, auto& one) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(one)>, Parameter<double, Cpu>>)
      if (of == name) found = &one;
  });
  return *found;
}

}  // namespace

TEST_CASE("the invertible convolution keeps the contract of a layer of a flow") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    return InvertibleConv<T, Cpu>(device, 5, 3);
  };
  CHECK(check_layer(make, {shape, {4, 1, 1, 5}, {1, 4, 4, 5}}, {64, 64, 256}) == "");
}

TEST_CASE("the invertible convolution starts as a rotation with determinant 1") {
  Cpu device;
  Conv layer(device, 5, 3);
  auto x = normal<double>(device, shape);
  const double before = sum_of_squares(x.view());
  LogDet<Cpu> log_det(device, 2);
  layer.forward(x, training, &log_det);
  CHECK(sum_of_squares(x.view()) == Approx(before).epsilon(1e-12));
  CHECK(std::abs(log_det.value.data()[0]) < 1e-12);
}

TEST_CASE("a singular convolution is an error, before it makes an infinite sample") {
  Cpu device;
  Conv layer(device, 5, 3);
  const double bad = GENERATE(-800.0, 800.0, std::numeric_limits<double>::quiet_NaN(),
                              -std::numeric_limits<double>::infinity());
  part(layer, "log_diagonal").value.data()[3] = bad;
  auto x = normal<double>(device, shape);
  for (bool forward : {true, false}) {
    CAPTURE(bad, forward);
    CHECK_THROWS_WITH(forward ? layer.forward(x, training) : layer.inverse(x, training),
                      containing("InvertibleConv: the matrix is singular: element 3 of its "
                                 "diagonal is exp("));
  }
}

TEST_CASE("a NaN in a triangle of the convolution is an error that names it") {
  Cpu device;
  Conv layer(device, 5, 3);
  part(layer, "lower").value.data()[5] = std::numeric_limits<double>::quiet_NaN();
  auto x = normal<double>(device, shape);
  CHECK_THROWS_WITH(layer.forward(x, training), containing("InvertibleConv: the matrix or its "
                                                           "inverse has an element"));
}

TEST_CASE("a checkpoint restores the rotation of another seed") {
  Cpu device;
  Conv saved(device, 5, 3), other(device, 5, 4);
  ParameterList<double, Cpu> from, to;
  inside::collect(saved, "", from);
  inside::collect(other, "", to);
  for (std::size_t i = 0; i < from.parameters.size(); ++i)
    copy(to.parameters[i].parameter->value.view(), from.parameters[i].parameter->value.view());
  auto x = normal<double>(device, shape), y = clone(x);
  saved.forward(x, inference);
  for (bool with_seed : {false, true}) {
    if (with_seed)
      for (std::size_t i = 0; i < from.numbers.size(); ++i)
        to.numbers[i].set(from.numbers[i].get());
    auto z = clone(y);
    other.forward(z, inference);
    CHECK(same_bits(values(z), values(x)) == with_seed);
  }
}
