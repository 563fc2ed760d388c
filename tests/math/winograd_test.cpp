#include "retrace/math/winograd.hpp"

#include <random>

#include "support/catch.hpp"

using namespace retrace;

namespace {

using Transforms = math::Winograd<double>;

/// Returns normally distributed numbers that depend only on the seed.
template <std::size_t N>
void draw(double (&values)[N], unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  for (double& value : values) value = normal(generator);
}

template <std::size_t N>
double dot(const double (&a)[N], const double (&b)[N]) {
  double sum = 0;
  for (std::size_t i = 0; i < N; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

TEST_CASE("six products compute four outputs from six inputs") {
  double d[6], g[3], t[6], u[6], y[4];
  draw(d, 1);
  draw(g, 2);
  Transforms::input(d, t);
  Transforms::filter(g, u);
  for (int i = 0; i < 6; ++i) t[i] *= u[i];
  Transforms::output(t, y);
  for (int i = 0; i < 4; ++i)
    CHECK(y[i] == Approx(g[0] * d[i] + g[1] * d[i + 1] + g[2] * d[i + 2]).epsilon(1e-13));
}

TEST_CASE("the transforms of gradients are the transposes of the transforms") {
  double m[6], y[4], dy[4], dm[6], g[3], u[6], du[6], dg[3];
  draw(m, 1);
  draw(dy, 2);
  draw(g, 3);
  draw(du, 4);
  Transforms::output(m, y);
  Transforms::output_gradient(dy, dm);
  CHECK(dot(y, dy) == Approx(dot(m, dm)).epsilon(1e-13));
  Transforms::filter(g, u);
  Transforms::filter_gradient(du, dg);
  CHECK(dot(u, du) == Approx(dot(g, dg)).epsilon(1e-13));
}
