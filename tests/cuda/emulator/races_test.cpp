// ThreadSanitizer treats CUDA threads as threads, and finds races that no execution order shows.
#include "cuda/emulator/testing.hpp"

namespace emulator::test {
namespace {

namespace gpu = retrace::gpu;

__global__ void count_atomically(int* count) { atomicAdd(count, 1); }

__global__ void count_plainly(int* count) { gpu::store(count, gpu::load(count) + 1); }

__global__ void exchange_with_barrier(int* to) {
  const auto part = gpu::shared<int, 64, 0>();
  part[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncthreads();
  gpu::store(to + blockIdx.x * 64 + threadIdx.x, part[63 - threadIdx.x]);
}

__global__ void exchange_in_one_warp(int* to) {
  const auto part = gpu::shared<int, 64, 1>();
  part[threadIdx.x] = static_cast<int>(threadIdx.x);
  __syncwarp();
  gpu::store(to + threadIdx.x, part[63 - threadIdx.x]);
}

/// Returns whether one launch of a kernel over 192 ints passes without a report of the sanitizer.
template <class Kernel>
bool is_quiet(Kernel kernel, unsigned blocks, unsigned threads) {
  return in_child([&] {
           void* memory = nullptr;
           cudaMalloc(&memory, 192 * sizeof(int));
           cudaMemset(memory, 0, 192 * sizeof(int));
           launch(kernel, blocks, threads, static_cast<int*>(memory));
           cudaDeviceSynchronize();
         })
      .well;
}

TEST_CASE("kernels without a race cause no report") {
  REQUIRE(is_quiet(count_atomically, 3, 64));
  REQUIRE(is_quiet(exchange_with_barrier, 3, 64));
}

TEST_CASE("ThreadSanitizer finds races between threads, warps and blocks") {
  REQUIRE(is_quiet(count_plainly, 1, 2) != under_thread_sanitizer);
  REQUIRE(is_quiet(count_plainly, 2, 1) != under_thread_sanitizer);
  REQUIRE(is_quiet(exchange_in_one_warp, 1, 64) != under_thread_sanitizer);
}

TEST_CASE("launches are ordered") {
  REQUIRE(in_child([] {
            void* memory = nullptr;
            cudaMalloc(&memory, sizeof(int));
            cudaMemset(memory, 0, sizeof(int));
            launch(count_plainly, 1, 1, static_cast<int*>(memory));
            launch(count_plainly, 1, 1, static_cast<int*>(memory));
            int count = 0;
            cudaMemcpy(&count, memory, sizeof count, cudaMemcpyDeviceToHost);
            if (count != 2) _exit(1);
          }).well);
}

}  // namespace
}  // namespace emulator::test
