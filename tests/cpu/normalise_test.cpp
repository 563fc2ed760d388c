#include "retrace/cpu/normalise.hpp"

#include "support/catch.hpp"
#include "support/operations.hpp"
#include "support/reference_conv.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// A channel slice of a wider tensor, and the same elements packed.
template <class T>
struct Pair {
  Tensor<T, Cpu> wide, packed;

  Pair(Cpu& device, Shape shape, unsigned seed)
      : wide(normal<T>(device, with_channels(shape, shape.c + 3), seed)),
        packed(clone(wide.view().channels(2, shape.c))) {}
  View<T, Cpu> slice() { return wide.view().channels(2, packed.shape().c); }
  bool agree() { return same_bits(values(slice()), values(packed)); }
};

}  // namespace

TEMPLATE_TEST_CASE("normalisations give the same bits on channel slices as on packed tensors", "",
                   float, double) {
  using T = TestType;
  Cpu device(2);
  for (Index channels : {1, 3, 8, 16, 20, 33, 64})
    for (Activation activation : {relu, leaky_relu(0.25), identity}) {
      CAPTURE(channels, activation.slope);
      const Shape shape{3, 5, 7, channels};
      const RandomNorm<T> random(device, channels);
      const auto norm = random.view();
      Pair<T> x(device, shape, 1), y(device, shape, 2), dy(device, shape, 3), dx(device, shape, 4);
      Tensor<double, Cpu> sums(device, {1, 1, 2, channels}), packed_sums = clone(sums);

      normalise_activate(y.slice(), x.slice(), norm, activation);
      normalise_activate(y.packed.view(), x.packed.view(), norm, activation);
      CHECK(y.agree());
      CHECK(distance_in_roundings<T>(values(y.packed),
                                     random.applied(x.packed.view(), activation).list) <= 2);

      normalise_activate_sums(sums.view(), x.slice(), dy.slice(), norm, activation);
      normalise_activate_sums(packed_sums.view(), x.packed.view(), dy.packed.view(), norm,
                              activation);
      CHECK(same_bits(values(sums), values(packed_sums)));
      const GradientSums<Cpu> batch{sums.view(), shape.pixels()};
      for (Store how : {Store::set, Store::add, Store::subtract}) {
        normalise_activate_backward(dx.slice(), x.slice(), dy.slice(), batch, norm, activation,
                                    how);
        normalise_activate_backward(dx.packed.view(), x.packed.view(), dy.packed.view(), batch,
                                    norm, activation, how);
        CHECK(dx.agree());
      }
      take_off_gradient_means(dx.slice(), x.slice(), batch, norm);
      take_off_gradient_means(dx.packed.view(), x.packed.view(), batch, norm);
      CHECK(dx.agree());
      if (!activation.invertible()) continue;
      Pair<T> again(device, shape, 1);
      copy(again.slice(), y.slice());
      copy(again.packed.view(), y.packed.view());
      invert_normalise_activate(again.slice(), norm, activation);
      invert_normalise_activate(again.packed.view(), norm, activation);
      CHECK(again.agree());
      invert_normalise_activate_sums(sums.view(), y.slice(), dy.slice(), norm, activation);
      invert_normalise_activate_sums(packed_sums.view(), y.packed.view(), dy.packed.view(), norm,
                                     activation);
      CHECK(y.agree());
      CHECK(dy.agree());
      CHECK(same_bits(values(sums), values(packed_sums)));
      CHECK(same_bits(values(y.packed), values(again.packed)));
    }
}

TEST_CASE("sums and gradient of a normalisation match their definition") {
  Cpu device(2);
  const Shape shape{3, 5, 7, 20};
  const RandomNorm<double> random(device, 20);
  const auto norm = random.view();
  const auto x = normal<double>(device, shape), dy = normal<double>(device, shape, 2);
  Tensor<double, Cpu> sums(device, {1, 1, 2, 20}), dx(device, shape);
  normalise_activate_sums(sums.view(), x.view(), dy.view(), norm, leaky_relu(0.3));
  normalise_activate_backward(dx.view(), x.view(), dy.view(), {sums.view(), shape.pixels()}, norm,
                              leaky_relu(0.3), Store::set);

  const Reference u = random.applied(x.view(), identity);
  Values expected_sums(40, 0.0), expected(u.list.size());
  const auto g = [&](std::size_t i) { return values(dy)[i] * (u.list[i] > 0 ? 1 : 0.3); };
  const auto z = [&](std::size_t i) {
    return (x.data()[i] - random.mean.data()[i % 20]) * random.inverse_deviation.data()[i % 20];
  };
  for (std::size_t i = 0; i < expected.size(); ++i) {
    expected_sums[i % 20] += g(i);
    expected_sums[20 + i % 20] += g(i) * z(i);
  }
  for (std::size_t i = 0; i < expected.size(); ++i)
    expected[i] = random.scale.data()[i % 20] *
                  (g(i) - expected_sums[i % 20] / 105 - z(i) * expected_sums[20 + i % 20] / 105);
  CHECK(relative_distance(values(sums), expected_sums) < 1e-13);
  CHECK(relative_distance(values(dx), expected) < 1e-13);

  // In two steps: without the means, then the terms of the means.
  Tensor<double, Cpu> none(device, sums.shape());
  fill(none.view(), 0);
  normalise_activate_backward(dx.view(), x.view(), dy.view(), {none.view(), 1}, norm,
                              leaky_relu(0.3), Store::set);
  take_off_gradient_means(dx.view(), x.view(), {sums.view(), shape.pixels()}, norm);
  CHECK(relative_distance(values(dx), expected) < 1e-13);
}
