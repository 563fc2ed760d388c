// The inner loops of a convolution: each computes one tile of sums in registers.
#pragma once

#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// The layout of a packed image, in elements: [channel block][row][column][CB].
struct PackedSteps {
  Index plane, row;
};

/// The number of registers for sums: half of the register file, which has 32 registers with AVX-512
/// or 64-bit Arm and 16 elsewhere.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int sum_registers = 16;
#else
inline constexpr int sum_registers = 8;
#endif

/// Computes Σ over channels and taps for RH x RW output pixels and KV registers of output channels.
/// `in` is the first tap of the first pixel; `weights` are [channel block][tap][CB][KV registers].
/// Tiles of more than one pixel require a stride of 1.
template <class T, int CB, int KV, int RH, int RW>
struct ConvTile {
  static constexpr int width = lanes<T>;
  Block<T, width> sums[RH * RW][KV];

  [[gnu::always_inline]] void compute(const T* in, const PackedSteps& steps, Index kernel,
                                      Index channel_blocks, const T* weights) {
    for (auto& pixel : sums)
      for (auto& sum : pixel) sum = Block<T, width>{};
    for (Index block = 0; block < channel_blocks; ++block)
      for (Index ky = 0; ky < kernel; ++ky)
        for (Index kx = 0; kx < kernel; ++kx) {
          const T* at = in + block * steps.plane + ky * steps.row + kx * CB;
#pragma GCC unroll 4
          for (int c = 0; c < CB; ++c, weights += KV * width) {
            Block<T, width> w[KV];
#pragma GCC unroll 4
            for (int k = 0; k < KV; ++k) w[k] = load<width>(weights + k * width);
#pragma GCC unroll 32
            for (int p = 0; p < RH * RW; ++p) {
              const T x = at[p / RW * steps.row + p % RW * CB + c];
#pragma GCC unroll 4
              for (int k = 0; k < KV; ++k) sums[p][k] += w[k] * x;
            }
          }
        }
  }
};

/// Computes dw[r][KV registers] += Σ over pixels of a[r]·dy for R neighbouring elements a of the
/// packed input. The sum starts from zero, so a chain of float additions covers one call's pixels
/// only.
struct GradientPixels {
  Index images, rows, columns;
  Index a_image, a_row, a_pixel;     ///< steps in the packed input
  Index dy_image, dy_row, dy_pixel;  ///< steps in the packed output gradient
};
template <class T, int R, int KV>
void add_weight_gradient(T* dw, Index dw_step, const T* a, const T* dy, const GradientPixels& g) {
  constexpr int width = lanes<T>;
  Block<T, width> sums[R][KV] = {};
  for (Index image = 0; image < g.images; ++image)
    for (Index row = 0; row < g.rows; ++row) {
      const T* a_at = a + image * g.a_image + row * g.a_row;
      const T* dy_at = dy + image * g.dy_image + row * g.dy_row;
      for (Index column = 0; column < g.columns; ++column, a_at += g.a_pixel, dy_at += g.dy_pixel) {
        Block<T, width> d[KV];
#pragma GCC unroll 4
        for (int k = 0; k < KV; ++k) d[k] = load<width>(dy_at + k * width);
#pragma GCC unroll 32
        for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
          for (int k = 0; k < KV; ++k) sums[r][k] += d[k] * a_at[r];
        }
      }
    }
#pragma GCC unroll 32
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int k = 0; k < KV; ++k)
      save<width>(dw + r * dw_step + k * width,
                  Block<T, width>(load<width>(dw + r * dw_step + k * width) + sums[r][k]));
}

}  // namespace retrace::inline RETRACE_ISA::cpu
