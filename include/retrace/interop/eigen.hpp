// Tensors and views as matrices of Eigen, without a copy.
#pragma once

#include <Eigen/Core>
#include <type_traits>

#include "retrace/cpu/cpu.hpp"

namespace retrace::inline RETRACE_ISA {

/// One row a pixel, one column a channel. Of const T it is read-only.
template <class T>
using PixelMatrix = Eigen::Map<
    std::conditional_t<std::is_const_v<T>,
                       const Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic,
                                           Eigen::RowMajor>,
                       Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>,
    Eigen::Unaligned, Eigen::OuterStride<>>;

/// The elements of x where they are, [N·H·W, C]: the weights of a convolution, [k,k,C,K], are
/// [k·k·C, K]. The map is valid for as long as the memory of x is.
template <class T>
PixelMatrix<T> pixel_matrix(View<T, Cpu> x) {
  const auto index = [](Index i) {  // of Eigen, 32 bits where addresses have as many
    return static_cast<Eigen::Index>(i);
  };
  return {x.data(), index(x.shape().pixels()), index(x.shape().c),
          Eigen::OuterStride<>(index(x.pitch()))};
}
template <class T>
PixelMatrix<T> pixel_matrix(Tensor<T, Cpu>& x) {
  return pixel_matrix(x.view());
}
template <class T>
PixelMatrix<const T> pixel_matrix(const Tensor<T, Cpu>& x) {
  return pixel_matrix(x.view());
}

}  // namespace retrace::inline RETRACE_ISA
