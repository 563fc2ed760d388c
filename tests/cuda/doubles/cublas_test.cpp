// The double of cuBLAS computes products as defined and detects every wrong size and pointer.
#include <cublas_v2.h>

#include <cmath>

#include "cuda/doubles/numbers.hpp"
#include "cuda/emulator/testing.hpp"

namespace emulator::test {
namespace {

class Blas {
 public:
  Blas() { cublasCreate(&handle_); }
  ~Blas() { cublasDestroy(handle_); }
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;
  operator cublasHandle_t() const { return handle_; }

 private:
  cublasHandle_t handle_ = nullptr;
};

constexpr float one = 1, zero = 0, two = 2;

TEST_CASE("a product of two column-major matrices") {
  const Blas blas;
  const Array<float> a(std::vector<float>{1, 2, 3, 4, 5, 6});  // 2 x 3
  const Array<float> b(std::vector<float>{1, 0, 2, 0, 1, 0});  // 3 x 2
  const Array<float> c(4);
  REQUIRE(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 3, &one, a.get(), 2, b.get(), 3, &zero,
                      c.get(), 2) == CUBLAS_STATUS_SUCCESS);
  cudaDeviceSynchronize();
  REQUIRE(c.values() == std::vector<float>{11, 14, 3, 4});
}

TEST_CASE("transposed, scaled and added to") {
  const Blas blas;
  const Array<double> a(std::vector<double>{1, 2, 3, 4, 5, 6}), c(std::vector<double>{1, 1, 1, 1});
  const double alpha = 2, beta = 10;
  REQUIRE(cublasDgemm(blas, CUBLAS_OP_N, CUBLAS_OP_T, 2, 2, 3, &alpha, a.get(), 2, a.get(), 2,
                      &beta, c.get(), 2) == CUBLAS_STATUS_SUCCESS);
  cudaDeviceSynchronize();
  REQUIRE(c.values() == std::vector<double>{80, 98, 98, 122});
}

TEST_CASE("a batch of products") {
  const Blas blas;
  const Array<float> a(std::vector<float>{1, 2, 3}), b(std::vector<float>{4, 5, 6}), c(3);
  REQUIRE(cublasSgemmStridedBatched(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &two, a.get(), 1, 1,
                                    b.get(), 1, 1, &zero, c.get(), 1, 1,
                                    3) == CUBLAS_STATUS_SUCCESS);
  cudaDeviceSynchronize();
  REQUIRE(c.values() == std::vector<float>{8, 20, 36});
}

TEST_CASE("halves are multiplied into floats") {
  const Blas blas;
  const Array<__half> a(std::vector<__half>{__float2half(1.5f), __float2half(2.0f)});
  const Array<float> c(1);
  REQUIRE(cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, 1, 1, 2, &one, a.get(), CUDA_R_16F, 2,
                       a.get(), CUDA_R_16F, 2, &zero, c.get(), CUDA_R_32F, 1, CUBLAS_COMPUTE_32F,
                       CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
  cudaDeviceSynchronize();
  REQUIRE(c.values()[0] == 6.25f);
}

TEST_CASE("TF32, if enabled, rounds the factors") {
  const Blas blas;
  const float x = 1.0f + 0x1p-12f;
  const Array<float> a(std::vector<float>{x}), c(1);
  for (const bool on : {false, true}) {
    cublasSetMathMode(blas, on ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH);
    cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a.get(), 1, a.get(), 1, &zero,
                c.get(), 1);
    cudaDeviceSynchronize();
    REQUIRE(c.values()[0] == (on ? 1.0f : x * x));
  }
}

TEST_CASE("wrong sizes are refused and wrong pointers reported") {
  const Blas blas;
  const Array<float> a(6), c(4);
  const auto product = [&](int m, int n, int k, int lda, int ldb, int ldc) {
    return cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, a.get(), lda, a.get(), ldb,
                       &zero, c.get(), ldc);
  };
  REQUIRE(product(-1, 2, 3, 2, 3, 2) == CUBLAS_STATUS_INVALID_VALUE);
  REQUIRE(product(2, 2, 3, 1, 3, 2) == CUBLAS_STATUS_INVALID_VALUE);
  REQUIRE(product(2, 2, 3, 2, 2, 2) == CUBLAS_STATUS_INVALID_VALUE);
  REQUIRE(product(2, 2, 3, 2, 3, 1) == CUBLAS_STATUS_INVALID_VALUE);
  REQUIRE(product(2, 3, 3, 2, 3, 2) == CUBLAS_STATUS_SUCCESS);
  REQUIRE_THAT(error_of_device(), containing("matrix B of cublasSgemm, 36 bytes, is not inside"));
  REQUIRE(product(2, 2, 3, 2, 3, 3) == CUBLAS_STATUS_SUCCESS);
  REQUIRE_THAT(error_of_device(), containing("matrix C of cublasSgemm, 20 bytes, is not inside"));
  REQUIRE_THROWS_WITH(cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, a.get(), a.get(), 1,
                                  a.get(), 1, &zero, c.get(), 1),
                      containing("from the host"));
}

TEST_CASE("a workspace is NaN after a product") {
  const Blas blas;
  const Array<float> a(std::vector<float>{3}), c(1), workspace(std::vector<float>(64, 1.0f));
  REQUIRE(cublasSetWorkspace(blas, workspace.get(), 256) == CUBLAS_STATUS_SUCCESS);
  cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a.get(), 1, a.get(), 1, &zero, c.get(),
              1);
  cudaDeviceSynchronize();
  REQUIRE(c.values()[0] == 9);
  for (const float x : workspace.values()) REQUIRE(std::isnan(x));
}

TEST_CASE("a leaked handle is reported, and a destroyed one is refused") {
  cublasHandle_t handle = nullptr;
  fail_call("cublasCreate", 1, CUBLAS_STATUS_ALLOC_FAILED);
  REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_ALLOC_FAILED);
  REQUIRE(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(leaks() == std::vector<std::string>{"1 cuBLAS handles"});
  cublasDestroy(handle);
  REQUIRE(leaks().empty());
  REQUIRE(cublasSetStream(handle, nullptr) == CUBLAS_STATUS_NOT_INITIALIZED);
}

}  // namespace
}  // namespace emulator::test
