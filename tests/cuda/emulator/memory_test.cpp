// Every access of a kernel to global memory is checked and counted, and leaks are reported.
#include <cmath>

#include "cuda/emulator/testing.hpp"

namespace emulator::test {
namespace {

namespace gpu = retrace::gpu;

__global__ void copy(const float* from, float* to, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) gpu::store(to + i, gpu::load(from + i));
}

__global__ void store_raw(float* to, int i) { to[i] = 1; }

__global__ void store_four(float* to) {
  gpu::store(reinterpret_cast<float4*>(to), make_float4(1, 2, 3, 4));
}

TEST_CASE("an access out of bounds is reported with its line") {
  const Array<float> from(100), to(99);
  launch(copy, 4, 32, from.get(), to.get(), 99);
  REQUIRE(error_of_device() == "");
  launch(copy, 4, 32, from.get(), to.get(), 100);
  REQUIRE_THAT(error_of_device(), containing("store of 4 bytes at memory_test.cpp") &&
                                      containing("(block 3,0,0, thread 3)"));
  launch(copy, 4, 32, from.get() + 1, to.get(), 100);
  REQUIRE_THAT(error_of_device(), containing("outside of every device allocation"));
}

TEST_CASE("a misaligned access is reported") {
  const Array<float> to(8);
  launch(store_four, 1, 1, to.get());
  REQUIRE(error_of_device() == "");
  launch(store_four, 1, 1, to.get() + 1);
  REQUIRE_THAT(error_of_device(), containing("misaligned store of 16 bytes"));
}

TEST_CASE(
    "a write past the end through a plain pointer is reported at the latest when the memory is "
    "freed") {
  const auto ended = in_child([] {
    void* to = nullptr;
    cudaMalloc(&to, 40);
    launch(store_raw, 1, 1, static_cast<float*>(to), 10);
    cudaFree(to);
    const auto reports = take_reports();
    if (!reports.empty()) std::fprintf(stderr, "%s\n", reports[0].c_str());
  });
  REQUIRE_THAT(ended.errors,
               containing("written past its end, at byte 40") || containing("use-after-poison"));
}

TEST_CASE("uninitialised memory is NaN") {
  for (const float x : Array<float>(100).values()) REQUIRE(std::isnan(x));
}

TEST_CASE("host code that accesses device memory ends with an explanation") {
  const auto ended = in_child([] {
    const Array<float> array(std::vector<float>{1, 2});
    const volatile float x = array.get()[0];
    static_cast<void>(x);
  });
  REQUIRE_FALSE(ended.well);
  REQUIRE_THAT(ended.errors, containing("host code touched device memory"));
}

TEST_CASE("pointer arguments of a kernel must refer to live device memory") {
  float on_host = 0;
  launch(store_raw, 1, 1, &on_host, 0);
  REQUIRE_THAT(error_of_device(), containing("argument 0 of kernel is not a pointer to live"));
  float* freed = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&freed), 4);
  cudaFree(freed);
  launch(store_raw, 1, 1, freed, 0);
  REQUIRE_THAT(error_of_device(), containing("argument 0 of kernel is not a pointer to live"));
}

TEST_CASE("copies are checked") {
  const Array<float> array(4);
  std::vector<float> host(8);
  REQUIRE_THROWS_WITH(cudaMemcpy(host.data(), array.get(), 20, cudaMemcpyDeviceToHost),
                      containing("goes beyond a device allocation"));
  REQUIRE_THROWS_WITH(cudaMemcpy(array.get(), host.data(), 16, cudaMemcpyDeviceToHost),
                      containing("kind of a copy"));
  REQUIRE_THROWS_WITH(cudaMemset(array.get(), 0, 17), containing("goes beyond"));
  REQUIRE(cudaMemcpy2D(host.data(), 4, array.get(), 8, 8, 2, cudaMemcpyDeviceToHost) ==
          cudaErrorInvalidPitchValue);
  cudaGetLastError();
}

TEST_CASE("a pitched copy moves only its rows") {
  const Array<float> array(std::vector<float>{1, 2, 3, 4, 5, 6});
  std::vector<float> host(8, 0.0f);
  cudaMemcpy2D(host.data(), 16, array.get(), 12, 8, 2, cudaMemcpyDeviceToHost);
  REQUIRE(host == std::vector<float>{1, 2, 0, 0, 4, 5, 0, 0});
}

TEST_CASE("leaks are reported") {
  REQUIRE(leaks().empty());
  void* pointer = nullptr;
  cudaStream_t stream;
  cudaEvent_t event;
  cudaMalloc(&pointer, 24);
  cudaStreamCreate(&stream);
  cudaEventCreate(&event);
  const auto told = leaks();
  REQUIRE(told.size() == 3);
  REQUIRE_THAT(told[0], containing("24 bytes of cudaMalloc"));
  REQUIRE(told[1] == "1 events");
  REQUIRE(told[2] == "1 streams");
  cudaFree(pointer);
  cudaStreamDestroy(stream);
  cudaEventDestroy(event);
  REQUIRE(leaks().empty());
}

TEST_CASE("a double free is reported") {
  void* pointer = nullptr;
  cudaMalloc(&pointer, 24);
  REQUIRE(cudaFree(pointer) == cudaSuccess);
  REQUIRE(cudaFree(pointer) == cudaErrorInvalidValue);
  REQUIRE(cudaFreeAsync(pointer, nullptr) == cudaSuccess);
  cudaDeviceSynchronize();
  REQUIRE(cudaGetLastError() == cudaErrorInvalidValue);
  const auto reports = take_reports();
  REQUIRE(reports.size() == 2);
  REQUIRE_THAT(reports[1], containing("cudaFreeAsync of a pointer that is not"));
}

TEST_CASE("the device has limited memory") {
  const SavedOptions saved;
  options().memory = 1000;
  const Array<char> most(900);
  void* more = nullptr;
  REQUIRE(cudaMalloc(&more, 101) == cudaErrorMemoryAllocation);
  REQUIRE(cudaGetLastError() == cudaErrorMemoryAllocation);
  REQUIRE(cudaGetLastError() == cudaSuccess);
  REQUIRE(cudaMallocAsync(&more, 100, nullptr) == cudaSuccess);
  cudaFreeAsync(more, nullptr);
  REQUIRE(cudaMallocAsync(&more, 100, nullptr) == cudaSuccess);  // waits for the pending free
  cudaFree(more);
}

__global__ void every_eighth(const float* from, float* to) {
  const unsigned t = threadIdx.x;
  gpu::store(to + t, gpu::load(from + 8 * t) + gpu::load(from));
}

TEST_CASE("bytes, sectors and distinct sectors are counted") {
  const SavedOptions saved;
  options().trace = true;
  const Array<float> from(std::vector<float>(512, 1.0f)), to(64);
  reset_stats();
  launch(every_eighth, 1, 64, from.get(), to.get());
  cudaDeviceSynchronize();
  const KernelStats& counted = stats("kernel");
  REQUIRE(counted.launches == 1);
  REQUIRE(counted.threads == 64);
  REQUIRE(counted.read.bytes == 512);
  REQUIRE(counted.read.sectors ==
          64 + 2);  // one per thread, and one per warp that all its lanes read
  REQUIRE(counted.read.unique_bytes == 64 * 32);
  REQUIRE(counted.write.bytes == 256);
  REQUIRE(counted.write.sectors == 8);
  REQUIRE(counted.write.unique_bytes == 256);
}

}  // namespace
}  // namespace emulator::test
