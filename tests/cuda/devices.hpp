// Runs the same operation on the host and on a GPU and compares the results.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "retrace/cuda.hpp"
#include "support/tensors.hpp"

namespace retrace::test {

template <class T>
Values values(View<T, Cuda> x) {
  std::vector<std::remove_const_t<T>> list(static_cast<std::size_t>(x.shape().size()));
  download(std::span(list), x);
  return Values(list.begin(), list.end());
}
template <class T>
Values values(const Tensor<T, Cuda>& x) {
  return values(x.view());
}

/// Copies elements to another device.
template <class T, class D>
Tensor<T, D> moved(D& device, const Values& list, Shape shape, Use use = Use::activation) {
  Tensor<T, D> x(device, shape, use);
  const std::vector<T> elements(list.begin(), list.end());
  upload(x.view(), std::span<const T>(elements));
  return x;
}

/// The channels before and after a view in memory.
struct Margin {
  Index before, behind;
};
/// Packed, accessible in packs of any type, and not accessible in packs.
inline const std::vector<Margin> margins{{0, 0}, {16, 16}, {1, 2}};

/// Tensors of standard normal numbers on a device, with margins of channels around their views.
template <class T, class D>
class Operands {
 public:
  Operands(D& device, const std::vector<Shape>& shapes, Margin margin) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const Shape whole = with_channels(shapes[i], margin.before + shapes[i].c + margin.behind);
      tensors_.push_back(
          moved<T>(device, normal_values(whole.size(), static_cast<unsigned>(i + 1)), whole));
      views_.push_back(tensors_.back().view().channels(margin.before, shapes[i].c));
    }
  }
  View<T, D> operator[](std::size_t i) const { return views_[i]; }
  /// Returns all elements, including the margins.
  Values all() const {
    Values list;
    for (const auto& each : tensors_) {
      const Values more = values(each);
      list.insert(list.end(), more.begin(), more.end());
    }
    return list;
  }

 private:
  std::vector<Tensor<T, D>> tensors_;
  std::vector<View<T, D>> views_;
};

/// Returns the largest difference between host and GPU, in roundings of T of the largest element,
/// over the Values that operation(device, operands) returns and the operands afterwards.
template <class T, class Operation>
double distance(const std::vector<Shape>& shapes, Margin margin, Operation operation,
                const CudaOptions& options = {}) {
  Cpu host(1);
  Cuda gpu(0, options);
  Operands<T, Cpu> ours(host, shapes, margin);
  Operands<T, Cuda> theirs(gpu, shapes, margin);
  const Values expected = operation(host, ours), found = operation(gpu, theirs);
  return std::max(distance_in_roundings<T>(found, expected),
                  distance_in_roundings<T>(theirs.all(), ours.all()));
}

}  // namespace retrace::test
