#include "retrace/cpu/matmul.hpp"

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// A product of images of matrices, all of them views with a few channels more between the rows.
struct Problem {
  Index images, rows, depth, columns;
  bool shared_a, shared_b;

  Shape a(Factor f) const { return factor(shared_a, rows, depth, f); }
  Shape b(Factor f) const { return factor(shared_b, depth, columns, f); }
  Shape y() const { return {images, 1, rows, columns}; }

 private:
  Shape factor(bool shared, Index high, Index wide, Factor f) const {
    return f == Factor::plain ? Shape{shared ? 1 : images, 1, high, wide}
                              : Shape{shared ? 1 : images, 1, wide, high};
  }
};

constexpr Index gap = 3;

template <class T>
Tensor<T, Cpu> wide(Cpu& device, Shape shape, unsigned seed) {
  return normal<T>(device, with_channels(shape, shape.c + gap), seed);
}
template <class T>
View<T, Cpu> narrow(Tensor<T, Cpu>& x) {
  return x.view().channels(0, x.shape().c - gap);
}

Values reference(const Problem& p, View<double, Cpu> a, Factor of_a, View<double, Cpu> b,
                 Factor of_b, Values y, Store how) {
  const auto at = [](View<double, Cpu> x, Factor f, Index image, Index i, Index k) {
    const View<double, Cpu> one = x.images(x.shape().n == 1 ? 0 : image, 1);
    return f == Factor::plain ? one.pixel(i)[k] : one.pixel(k)[i];
  };
  std::size_t e = 0;
  for (Index n = 0; n < p.images; ++n)
    for (Index i = 0; i < p.rows; ++i)
      for (Index j = 0; j < p.columns; ++j, ++e) {
        double sum = 0;
        for (Index k = 0; k < p.depth; ++k) sum += at(a, of_a, n, i, k) * at(b, of_b, n, k, j);
        y[e] = how == Store::set ? sum : how == Store::add ? y[e] + sum : y[e] - sum;
      }
  return y;
}

template <class T>
Values product(Cpu& device, const Problem& p, Factor of_a, Factor of_b, Store how) {
  auto y = wide<T>(device, p.y(), 3), a = wide<T>(device, p.a(of_a), 1),
       b = wide<T>(device, p.b(of_b), 2);
  const Values before = values(y);
  matmul(narrow(y), narrow(a), of_a, narrow(b), of_b, how);
  const Values after = values(y);
  for (std::size_t i = 0; i < after.size(); ++i)  // nothing beside the view is written
    if (static_cast<Index>(i) % y.shape().c >= p.columns) REQUIRE(after[i] == before[i]);
  return values(narrow(y));
}

constexpr Factor both[]{Factor::plain, Factor::transposed};

}  // namespace

TEST_CASE("matmul is the product of all images, by all factors") {
  Cpu device(1);
  for (const Problem& p : {Problem{1, 1, 1, 1, false, false},
                           {3, 7, 5, 9, false, false},
                           {2, 13, 30, 33, false, true},
                           {4, 8, 3, 20, true, false},
                           {3, 2, 17, 70, false, true},
                           {1, 30, 600, 19, false, false},
                           {0, 3, 4, 5, false, true},
                           {2, 3, 0, 4, false, false}})
    for (Factor of_a : both)
      for (Factor of_b : both)
        for (Store how : {Store::set, Store::add, Store::subtract}) {
          auto y = wide<double>(device, p.y(), 3), a = wide<double>(device, p.a(of_a), 1),
               b = wide<double>(device, p.b(of_b), 2);
          const Values expected =
              reference(p, narrow(a), of_a, narrow(b), of_b, values(narrow(y)), how);
          INFO(p.images << " of " << p.rows << " x " << p.depth << " x " << p.columns);
          CHECK(relative_distance(product<double>(device, p, of_a, of_b, how), expected) < 1e-12);
          CHECK(relative_distance(product<float>(device, p, of_a, of_b, how), expected) < 3e-6);
        }
}

TEST_CASE("matmul gives a row the same bits for any threads, images and other rows") {
  Cpu one(1), three(3);
  const Problem p{3, 130, 300, 90, false, true};
  for (Factor of_b : both) {
    const Values all = product<float>(one, p, Factor::plain, of_b, Store::set);
    CHECK(same_bits(all, product<float>(three, p, Factor::plain, of_b, Store::set)));
    auto a = wide<float>(one, p.a(Factor::plain), 1), b = wide<float>(one, p.b(of_b), 2);
    for (Index row : {Index{0}, Index{5}, Index{129}}) {
      Tensor<float, Cpu> y(one, {1, 1, 1, p.columns});
      const View<float, Cpu> of_row(one, narrow(a).images(1, 1).pixel(row), {1, 1, 1, p.depth},
                                    p.depth + gap);
      matmul(y.view(), of_row, Factor::plain, narrow(b), of_b);
      const auto first = all.begin() + static_cast<std::ptrdiff_t>((p.rows + row) * p.columns);
      CHECK(same_bits(values(y), Values(first, first + static_cast<std::ptrdiff_t>(p.columns))));
    }
  }
  const Problem long_sum{1, 40, 2000, 50, false, false};
  CHECK(same_bits(product<float>(one, long_sum, Factor::transposed, Factor::plain, Store::add),
                  product<float>(three, long_sum, Factor::transposed, Factor::plain, Store::add)));
}

TEST_CASE("matmul counts its work on a dry device") {
  Cpu dry = Cpu::dry_device(2);
  const Tensor<float, Cpu> a(dry, {1, 1, 100, 700}), b(dry, {1, 1, 700, 40});
  Tensor<float, Cpu> y(dry, {1, 1, 100, 40});
  matmul(y.view(), a.view(), Factor::plain, b.view(), Factor::plain);
  CHECK(dry.work().multiply_adds == 100.0 * 700 * 40);
}

TEST_CASE("matmul refuses shapes that do not fit") {
  Cpu device(1);
  const Tensor<float, Cpu> a(device, {2, 1, 3, 4}), b(device, {1, 1, 4, 5});
  Tensor<float, Cpu> y(device, {2, 1, 3, 5}), three(device, {3, 1, 3, 5});
  CHECK_NOTHROW(matmul(y.view(), a.view(), Factor::plain, b.view(), Factor::plain));
  CHECK_THROWS_WITH(matmul(y.view(), a.view(), Factor::plain, b.view(), Factor::transposed),
                    "matmul: 2x1x3x4 times 1x1x4x5, transposed, is not 2x1x3x5");
  CHECK_THROWS_WITH(matmul(three.view(), a.view(), Factor::plain, b.view(), Factor::plain),
                    "matmul: 2x1x3x4 times 1x1x4x5 is not 3x1x3x5");
}
