// Opens a GPU, manages its memory, and reports errors.
#include "context.hpp"

#include <new>
#include <string>

namespace retrace::kernels {

namespace {

[[noreturn]] void fail(const char* file, int line, const char* call, const std::string& text) {
  throw DeviceError(std::string(file) + ':' + std::to_string(line) + ": " + call + ": " + text);
}

/// Returns whether there is no driver, only the toolkit's stub of one, or no GPU.
bool means_no_gpu(cudaError_t status) {
  return status == cudaErrorInsufficientDriver || status == cudaErrorStubLibrary ||
         status == cudaErrorNoDevice;
}

void require_device(int number) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) cudaGetLastError();  // otherwise the next launch would report it
  if (means_no_gpu(status) || (status == cudaSuccess && count == 0))
    throw DeviceError(std::string("there is no NVIDIA GPU to use (") + cudaGetErrorString(status) +
                      "): check that nvidia-smi lists one, or train on the host");
  check(status, "cudaGetDeviceCount");
  if (number < 0 || number >= count)
    throw DeviceError("there is no GPU " + std::to_string(number) + ": this machine has " +
                      std::to_string(count) + ", numbered from 0");
}

}  // namespace

void check(cudaError_t status, const char* call, const char* file, int line) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // otherwise the next launch would report it again
  fail(file, line, call, cudaGetErrorString(status));
}

void check(cublasStatus_t status, const char* call, const char* file, int line) {
  if (status != CUBLAS_STATUS_SUCCESS) fail(file, line, call, cublasGetStatusString(status));
}

Context::Context(int device, const ContextOptions& options)
    : device_(device), convolution_type_(options.convolutions) {
  require_device(device);
  check(cudaSetDevice(device), "cudaSetDevice");
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  try {
    cudaMemPool_t pool = nullptr;
    check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
    std::uint64_t kept = UINT64_MAX;  // reuse freed memory in the next step
    check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &kept),
          "cudaMemPoolSetAttribute");
    if (options.libraries) {
      check(cublasCreate(&blas_), "cublasCreate");
      check(cublasSetStream(blas_, stream_), "cublasSetStream");
      const bool tf32 = options.convolutions == ConvolutionType::tf32;
      check(cublasSetMathMode(blas_, tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_PEDANTIC_MATH),
            "cublasSetMathMode");
      convolutions_ = make_convolution_library(stream_, device, options);
    }
  } catch (...) {
    if (blas_) cublasDestroy(blas_);
    cudaStreamDestroy(stream_);
    throw;
  }
}

Context::~Context() {
  cudaStreamSynchronize(stream_);
  convolutions_.reset();
  if (blas_) cublasDestroy(blas_);
  cudaStreamDestroy(stream_);
  cudaGetLastError();  // clears the error, which the next launch would report
}

Context* open(int device, const ContextOptions& options) { return new Context(device, options); }
void close(Context* context) noexcept { delete context; }

std::string name(Context& on) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, on.device()), "cudaGetDeviceProperties");
  return properties.name;
}

void* allocate(Context& on, std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMallocAsync(&memory, bytes, on.stream());
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // otherwise the next launch would report it
    throw std::bad_alloc();
  }
  check(status, "cudaMallocAsync");
  return memory;
}
void release(Context& on, void* memory) noexcept {
  const cudaError_t status = cudaFreeAsync(memory, on.stream());
  if (status != cudaSuccess) cudaGetLastError();  // otherwise the next launch would report it
  on.keep(status);
}

void synchronize(Context& on) {
  const cudaError_t status = cudaStreamSynchronize(on.stream());
  // A pending copy would otherwise write to memory that the caller frees.
  if (status != cudaSuccess) cudaStreamSynchronize(on.stream());
  check(status, "cudaStreamSynchronize");
  check(on.take_kept(), "cudaFreeAsync");
}

void upload(Context& on, void* to, std::size_t pitch, const void* from, std::size_t width,
            std::size_t rows) {
  if (width == 0 || rows == 0) return;
  check(cudaMemcpy2DAsync(to, pitch, from, width, width, rows, cudaMemcpyHostToDevice, on.stream()),
        "cudaMemcpy2DAsync");
  synchronize(on);
}
void download(Context& on, void* to, const void* from, std::size_t pitch, std::size_t width,
              std::size_t rows) {
  if (width == 0 || rows == 0) return;
  check(cudaMemcpy2DAsync(to, width, from, pitch, width, rows, cudaMemcpyDeviceToHost, on.stream()),
        "cudaMemcpy2DAsync");
  synchronize(on);
}

}  // namespace retrace::kernels
