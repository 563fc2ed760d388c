// Tensors of the library for other languages: what dlpack_python_test.py loads.
#include "retrace/interop/dlpack.hpp"

using namespace retrace;

namespace {
Cpu device;
}

extern "C" {

/// A tensor [2,3,4,5] of 0, 1, 2, … that the caller comes to own.
dlpack::ManagedTensor* counting_tensor() {
  Tensor<float, Cpu> x(device, {2, 3, 4, 5});
  for (Index i = 0; i < x.shape().size(); ++i) x.data()[i] = static_cast<float>(i);
  return to_dlpack<dlpack::ManagedTensor>(std::move(x));
}

/// Doubles every element in place, and returns the pitch; -1 if the tensor cannot be viewed.
std::int64_t double_in_place(dlpack::ManagedTensor* tensor) {
  try {
    const DlpackView<float> seen(device, tensor);
    for (Index p = 0; p < seen.view().shape().pixels(); ++p)
      for (Index c = 0; c < seen.view().shape().c; ++c) seen.view().pixel(p)[c] *= 2;
    return seen.view().pitch();
  } catch (const std::invalid_argument&) {
    return -1;
  }
}

std::size_t live_bytes() { return device.memory().live().total(); }
}
