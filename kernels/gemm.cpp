#include "gemm.hpp"

#include <limits>
#include <stdexcept>

namespace retrace::kernels {

namespace {

/// A row-major matrix, which is its own transpose to the column-major cuBLAS.
struct Matrix {
  std::int64_t rows, columns, pitch;
};

int checked(std::int64_t extent) {
  if (extent > std::numeric_limits<int>::max())
    throw std::length_error("a matrix product on a GPU must have at most 2^31 - 1 rows");
  return static_cast<int>(extent);
}

cublasStatus_t gemm(cublasHandle_t blas, cublasOperation_t a, cublasOperation_t b, int m, int n,
                    int k, const float* alpha, const float* left, int ld_left, const float* right,
                    int ld_right, const float* beta, float* out, int ld_out) {
  return cublasSgemm(blas, a, b, m, n, k, alpha, left, ld_left, right, ld_right, beta, out, ld_out);
}
cublasStatus_t gemm(cublasHandle_t blas, cublasOperation_t a, cublasOperation_t b, int m, int n,
                    int k, const double* alpha, const double* left, int ld_left,
                    const double* right, int ld_right, const double* beta, double* out,
                    int ld_out) {
  return cublasDgemm(blas, a, b, m, n, k, alpha, left, ld_left, right, ld_right, beta, out, ld_out);
}

/// Computes out = alpha·A·B + beta·out for row-major A [m, k] and B [k, n]. Either may be passed
/// transposed.
template <class T>
void product(Context& on, Store how, T* out, Matrix c, const T* a, std::int64_t a_pitch,
             bool a_transposed, const T* b, std::int64_t b_pitch, bool b_transposed,
             std::int64_t terms) {
  if (c.rows == 0 || c.columns == 0) return;
  const T alpha = how == Store::subtract ? T(-1) : T(1), beta = how == Store::set ? T(0) : T(1);
  const auto transposed = [](bool is) { return is ? CUBLAS_OP_T : CUBLAS_OP_N; };
  check(gemm(on.blas(), transposed(b_transposed), transposed(a_transposed), checked(c.columns),
             checked(c.rows), checked(terms), &alpha, b, checked(b_pitch), a, checked(a_pitch),
             &beta, out, checked(c.pitch)),
        "cublasGemm");
}

}  // namespace

template <class T>
void multiply(Context& on, const Convolution& c, T* out, const T* in, const T* other,
              void* workspace) {
  check(cublasSetWorkspace(on.blas(), workspace, product_workspace), "cublasSetWorkspace");
  const std::int64_t pixels = c.n * c.x_h * c.x_w;
  switch (c.pass) {
    case ConvolutionPass::forward:
      return product(on, c.how, out, {pixels, c.outputs, c.y_pitch}, in, c.x_pitch, false, other,
                     c.outputs, false, c.inputs);
    case ConvolutionPass::input_gradient:
      return product(on, c.how, out, {pixels, c.inputs, c.x_pitch}, in, c.y_pitch, false, other,
                     c.outputs, true, c.outputs);
    case ConvolutionPass::weight_gradient:
      if (pixels == 0) return;
      return product(on, Store::add, out, {c.inputs, c.outputs, c.outputs}, in, c.x_pitch, true,
                     other, c.y_pitch, false, pixels);
  }
}

template void multiply<float>(Context&, const Convolution&, float*, const float*, const float*,
                              void*);
template void multiply<double>(Context&, const Convolution&, double*, const double*, const double*,
                               void*);

}  // namespace retrace::kernels
