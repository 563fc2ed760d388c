#include "cuda/doubles/convolution.hpp"

#include <string>
#include <vector>

#include "cuda/emulator/control.hpp"
#include "cuda/emulator/location.hpp"

namespace doubles {
namespace {

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

void check(const Tensor& tensor) {
  std::int64_t last = 1;
  for (std::size_t i = 0; i < 4; ++i) last += (tensor.sizes[i] - 1) * tensor.strides[i];
  const std::size_t bytes = size(last) * bytes_of(tensor.type);
  const std::string what = std::string("tensor ") + tensor.name + " of a convolution";
  if (reinterpret_cast<std::uintptr_t>(tensor.data) % size(tensor.alignment) != 0)
    throw emulator::Error(what + " is not aligned to the " + std::to_string(tensor.alignment) +
                          " bytes promised");
  if (!emulator::is_live(tensor.data, bytes))
    throw emulator::Error(what + ", " + std::to_string(bytes) +
                          " bytes, is not inside a device allocation");
}

/// A tensor as double with adjacent channels: [image][row][column][channel].
class Values {
 public:
  explicit Values(const Tensor& tensor) : tensor_(tensor) {
    const auto& s = tensor.sizes;
    values_.resize(size(s[0] * s[1] * s[2] * s[3]));
  }

  double* at(std::int64_t image, std::int64_t row, std::int64_t column) {
    const auto& s = tensor_.sizes;
    return values_.data() + ((image * s[2] + row) * s[3] + column) * s[1];
  }

  void load() {
    each([&](double& value, std::ptrdiff_t i) { value = read(tensor_.type, tensor_.data, i); });
  }

  void store(double alpha, double beta) {
    each([&](double& value, std::ptrdiff_t i) {
      // With β = 0 the result is not read, because it may be NaN.
      const double old = beta == 0 ? 0 : beta * read(tensor_.type, tensor_.data, i);
      write(tensor_.type, tensor_.data, i, alpha * value + old);
    });
  }

 private:
  template <class F>
  void each(F&& act) {
    const auto &s = tensor_.sizes, &t = tensor_.strides;
    for (std::int64_t n = 0; n < s[0]; ++n)
      for (std::int64_t i = 0; i < s[2]; ++i)
        for (std::int64_t j = 0; j < s[3]; ++j)
          for (std::int64_t c = 0; c < s[1]; ++c)
            act(at(n, i, j)[c], n * t[0] + c * t[1] + i * t[2] + j * t[3]);
  }

  const Tensor& tensor_;
  std::vector<double> values_;
};

void check_shapes(const Convolution& c) {
  const auto &x = c.x.sizes, &w = c.w.sizes, &y = c.y.sizes;
  bool fits = x[0] == y[0] && x[1] == w[1] && y[1] == w[0];
  for (std::size_t d = 0; d < 2; ++d) {
    const auto reach = c.dilation[d] * (w[2 + d] - 1) + 1;
    fits = fits && y[2 + d] == (x[2 + d] + 2 * c.padding[d] - reach) / c.stride[d] + 1;
  }
  if (!fits) throw emulator::Error("the shapes of a convolution do not match");
}

/// Adds the products of one pixel of x, one pixel of y and the filter taps between them.
void add_products(Pass pass, double* x, double* y, Values& w, std::int64_t row, std::int64_t column,
                  std::int64_t channels, std::int64_t filters) {
  for (std::int64_t k = 0; k < filters; ++k) {
    double* tap = w.at(k, row, column);
    if (pass == Pass::forward) {
      double sum = 0;
      for (std::int64_t c = 0; c < channels; ++c) sum += x[c] * tap[c];
      y[k] += sum;
    } else if (pass == Pass::backward_data) {
      for (std::int64_t c = 0; c < channels; ++c) x[c] += y[k] * tap[c];
    } else {
      for (std::int64_t c = 0; c < channels; ++c) tap[c] += y[k] * x[c];
    }
  }
}

void add_up(const Convolution& c, Values& x, Values& w, Values& y) {
  const auto &of_x = c.x.sizes, &of_w = c.w.sizes, &of_y = c.y.sizes;
  for (std::int64_t n = 0; n < of_y[0]; ++n) {
    for (std::int64_t i = 0; i < of_y[2]; ++i) {
      for (std::int64_t j = 0; j < of_y[3]; ++j) {
        for (std::int64_t r = 0; r < of_w[2]; ++r) {
          const auto row = i * c.stride[0] - c.padding[0] + r * c.dilation[0];
          if (row < 0 || row >= of_x[2]) continue;
          for (std::int64_t s = 0; s < of_w[3]; ++s) {
            const auto column = j * c.stride[1] - c.padding[1] + s * c.dilation[1];
            if (column < 0 || column >= of_x[3]) continue;
            add_products(c.pass, x.at(n, row, column), y.at(n, i, j), w, r, s, of_w[1], of_w[0]);
          }
        }
      }
    }
  }
}

}  // namespace

void compute(const Convolution& convolution) {
  check_shapes(convolution);
  for (const Tensor* tensor : {&convolution.x, &convolution.w, &convolution.y}) check(*tensor);
  const emulator::DeviceAccess access;
  Values x(convolution.x), w(convolution.w), y(convolution.y);
  if (convolution.pass != Pass::backward_data) x.load();
  if (convolution.pass != Pass::backward_filter) w.load();
  if (convolution.pass != Pass::forward) y.load();
  add_up(convolution, x, w, y);
  Values& result = convolution.pass == Pass::forward         ? y
                   : convolution.pass == Pass::backward_data ? x
                                                             : w;
  result.store(convolution.alpha, convolution.beta);
}

}  // namespace doubles
