// A test double of cuBLAS: NVIDIA's prototypes, loops in double, checks of every size and pointer.
#include <cublas_v2.h>

#include <cstring>
#include <optional>
#include <set>
#include <stdexcept>

#include "cuda/doubles/gemm.hpp"
#include "cuda/emulator/control.hpp"
#include "cuda/emulator/launch.hpp"
#include "cuda/emulator/location.hpp"

struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasMath_t math = CUBLAS_DEFAULT_MATH;
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
};

namespace doubles {
namespace {

constexpr const char* kind_of_object = "cuBLAS handles";

std::set<cublasHandle_t>& handles() {
  static auto& live = *new std::set<cublasHandle_t>;
  return live;
}

cublasStatus_t begin(const char* call, cublasHandle_t handle) {
  if (const int status = emulator::begin_call(call)) return static_cast<cublasStatus_t>(status);
  return handles().count(handle) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_INITIALIZED;
}

std::optional<Number> number(cudaDataType type) {
  switch (type) {
    case CUDA_R_64F:
      return Number::float64;
    case CUDA_R_32F:
      return Number::float32;
    case CUDA_R_16F:
      return Number::float16;
    case CUDA_R_16BF:
      return Number::bfloat16;
    default:
      return std::nullopt;
  }
}

/// Reads α or β from the host, in the type of the computation.
double scalar(const void* value, Number type) {
  if (emulator::is_device_pointer(value))
    throw emulator::Error("cuBLAS takes alpha and beta from the host, but got device memory");
  return read(type, value, 0);
}

template <class T>
Matrix matrix(const T* data, int leading, cublasOperation_t operation, long long stride = 0) {
  return {const_cast<T*>(data), sizeof(T) == 8 ? Number::float64 : Number::float32, leading, stride,
          operation != CUBLAS_OP_N};
}

/// Enqueues the computation on the stream, which fills the workspace with NaN.
cublasStatus_t enqueue(cublasHandle_t handle, Gemm gemm) {
  if (!sizes_are_valid(gemm)) return CUBLAS_STATUS_INVALID_VALUE;
  gemm.tf32 =
      gemm.tf32 || (handle->math == CUBLAS_TF32_TENSOR_OP_MATH && gemm.a.type == Number::float32);
  emulator::enqueue(
      handle->stream, [gemm, to = handle->workspace, bytes = handle->workspace_bytes] {
        compute(gemm);
        if (bytes == 0) return;
        if (!emulator::is_live(to, bytes))
          throw emulator::Error("the workspace of cuBLAS is not inside a device allocation");
        const emulator::DeviceAccess access;
        std::memset(to, 0xFF, bytes);
      });
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
cublasStatus_t gemm_of(const char* call, cublasHandle_t handle, int m, int n, int k, const T* alpha,
                       Matrix a, Matrix b, const T* beta, Matrix c, int batch) {
  if (const auto status = begin(call, handle)) return status;
  return enqueue(handle,
                 {call, m, n, k, a, b, c, scalar(alpha, c.type), scalar(beta, c.type), batch});
}

}  // namespace
}  // namespace doubles

using namespace doubles;

extern "C" {

// ---- Handles ----------------------------------------------------------------------------------

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (const int status = emulator::begin_call("cublasCreate"))
    return static_cast<cublasStatus_t>(status);
  *handle = *handles().insert(new cublasContext).first;
  emulator::add_object(kind_of_object);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  if (const auto status = begin("cublasDestroy", handle)) return status;
  emulator::remove_object(kind_of_object);
  handles().erase(handle);
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  if (const auto status = begin("cublasSetStream", handle)) return status;
  handle->stream = stream;
  handle->workspace_bytes = 0;  // resets to its own workspace, as cuBLAS does
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  if (const auto status = begin("cublasGetStream", handle)) return status;
  *stream = handle->stream;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  if (const auto status = begin("cublasSetWorkspace", handle)) return status;
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  handle->workspace = workspace;
  handle->workspace_bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  if (const auto status = begin("cublasSetMathMode", handle)) return status;
  handle->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  if (const auto status = begin("cublasGetMathMode", handle)) return status;
  *mode = handle->math;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t) {
  return begin("cublasSetAtomicsMode", handle);
}

cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  if (const auto status = begin("cublasSetPointerMode", handle)) return status;
  return mode == CUBLAS_POINTER_MODE_HOST ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "an unknown status of cuBLAS";
  }
}

const char* cublasGetStatusString(cublasStatus_t status) { return cublasGetStatusName(status); }

// ---- Products ---------------------------------------------------------------------------------

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t of_a, cublasOperation_t of_b,
                              int m, int n, int k, const float* alpha, const float* a, int lda,
                              const float* b, int ldb, const float* beta, float* c, int ldc) {
  return gemm_of("cublasSgemm", handle, m, n, k, alpha, matrix(a, lda, of_a), matrix(b, ldb, of_b),
                 beta, matrix(c, ldc, CUBLAS_OP_N), 1);
}

cublasStatus_t cublasDgemm_v2(cublasHandle_t handle, cublasOperation_t of_a, cublasOperation_t of_b,
                              int m, int n, int k, const double* alpha, const double* a, int lda,
                              const double* b, int ldb, const double* beta, double* c, int ldc) {
  return gemm_of("cublasDgemm", handle, m, n, k, alpha, matrix(a, lda, of_a), matrix(b, ldb, of_b),
                 beta, matrix(c, ldc, CUBLAS_OP_N), 1);
}

cublasStatus_t cublasSgemmStridedBatched(cublasHandle_t handle, cublasOperation_t of_a,
                                         cublasOperation_t of_b, int m, int n, int k,
                                         const float* alpha, const float* a, int lda,
                                         long long stride_a, const float* b, int ldb,
                                         long long stride_b, const float* beta, float* c, int ldc,
                                         long long stride_c, int batch) {
  return gemm_of("cublasSgemmStridedBatched", handle, m, n, k, alpha,
                 matrix(a, lda, of_a, stride_a), matrix(b, ldb, of_b, stride_b), beta,
                 matrix(c, ldc, CUBLAS_OP_N, stride_c), batch);
}

cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t of_a,
                                         cublasOperation_t of_b, int m, int n, int k,
                                         const double* alpha, const double* a, int lda,
                                         long long stride_a, const double* b, int ldb,
                                         long long stride_b, const double* beta, double* c, int ldc,
                                         long long stride_c, int batch) {
  return gemm_of("cublasDgemmStridedBatched", handle, m, n, k, alpha,
                 matrix(a, lda, of_a, stride_a), matrix(b, ldb, of_b, stride_b), beta,
                 matrix(c, ldc, CUBLAS_OP_N, stride_c), batch);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t of_a, cublasOperation_t of_b,
                            int m, int n, int k, const void* alpha, const void* a,
                            cudaDataType type_of_a, int lda, const void* b, cudaDataType type_of_b,
                            int ldb, const void* beta, void* c, cudaDataType type_of_c, int ldc,
                            cublasComputeType_t compute, cublasGemmAlgo_t) {
  if (const auto status = begin("cublasGemmEx", handle)) return status;
  const auto number_a = number(type_of_a), number_b = number(type_of_b),
             number_c = number(type_of_c);
  const bool in_double = compute == CUBLAS_COMPUTE_64F;
  const bool in_tf32 = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  if (!number_a || !number_b || !number_c || number_a != number_b ||
      (!in_double && !in_tf32 && compute != CUBLAS_COMPUTE_32F) ||
      in_double != (number_a == Number::float64) || (in_double && number_c != Number::float64))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const Number of_scalars = in_double ? Number::float64 : Number::float32;
  return enqueue(handle, {"cublasGemmEx",
                          m,
                          n,
                          k,
                          {const_cast<void*>(a), *number_a, lda, 0, of_a != CUBLAS_OP_N},
                          {const_cast<void*>(b), *number_b, ldb, 0, of_b != CUBLAS_OP_N},
                          {c, *number_c, ldc, 0},
                          scalar(alpha, of_scalars),
                          scalar(beta, of_scalars),
                          1,
                          in_tf32 && number_a == Number::float32});
}

}  // extern "C"
