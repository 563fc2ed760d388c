// Tensors and views as Eigen matrices, without copying.
#pragma once

#include <Eigen/Core>
#include <type_traits>

#include "retrace/cpu/cpu.hpp"

namespace retrace::inline RETRACE_ISA {

/// A matrix with one row per pixel and one column per channel. Read-only if T is const.
template <class T>
using PixelMatrix = Eigen::Map<
    std::conditional_t<std::is_const_v<T>,
                       const Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic,
                                           Eigen::RowMajor>,
                       Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>,
    Eigen::Unaligned, Eigen::OuterStride<>>;

/// Maps the elements of x in place as [N·H·W, C]. Convolution weights [k,k,C,K] become [k·k·C, K].
/// The map is valid as long as x's memory.
template <class T>
PixelMatrix<T> pixel_matrix(View<T, Cpu> x) {
  const auto index = [](Index i) {  // Eigen's index has 32 bits if addresses do
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
