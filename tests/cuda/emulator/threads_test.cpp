// Barriers, shuffles and shared memory behave as on a GPU, and misuse is reported.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "cuda/emulator/testing.hpp"

namespace emulator::test {
namespace {

namespace gpu = retrace::gpu;

enum class Barrier { present, missing };

/// Sums 256 numbers in a tree.
template <Barrier barrier>
__global__ void sum(const float* from, float* to) {
  const auto part = gpu::shared<float, 256, 0>();
  const unsigned t = threadIdx.x;
  part[t] = gpu::load(from + t);
  for (unsigned half = 128; half > 0; half /= 2) {
    if (barrier == Barrier::present) __syncthreads();
    if (t < half) part[t] += part[t + half];
  }
  if (t == 0) gpu::store(to, part[0]);
}

template <Barrier barrier>
float sum_of_ones() {
  const Array<float> from(std::vector<float>(256, 1.0f)), to(1);
  launch(sum<barrier>, 1, 256, from.get(), to.get());
  return to.values()[0];
}

TEST_CASE("a reduction through shared memory is correct in any order of threads") {
  const SavedOptions saved;
  for (const unsigned seed : {0u, 1u, 2u, 3u}) {
    options().seed = seed;
    REQUIRE(sum_of_ones<Barrier::present>() == 256.0f);
  }
}

TEST_CASE("a missing barrier gives NaN") {
  if (under_thread_sanitizer) return;  // it ends the program at a race
  const SavedOptions saved;
  for (const unsigned seed : {0u, 1u, 2u}) {
    options().seed = seed;
    REQUIRE(std::isnan(sum_of_ones<Barrier::missing>()));
  }
}

template <int count>
__global__ void write_shared(float* to, int index) {
  const auto part = gpu::shared<float, count, 0>();
  part[index] = 1;
  gpu::store(to, part[index]);
}

TEST_CASE("an index beyond a shared array is reported") {
  const Array<float> to(1);
  launch(write_shared<8>, 1, 1, to.get(), 7);
  REQUIRE(error_of_device() == "");
  launch(write_shared<8>, 1, 1, to.get(), 8);
  REQUIRE_THAT(error_of_device(),
               containing("index 8 of 8 in the shared array of threads_test.cpp"));
  launch(write_shared<8>, 1, 1, to.get(), -1);
  REQUIRE_THAT(error_of_device(), containing("index -1 of 8"));
  launch(write_shared<12289>, 1, 1, to.get(), 0);
  REQUIRE_THAT(error_of_device(), containing("more than 48 KiB of shared memory"));
}

__global__ void divergent(int threads_there) {
  if (static_cast<int>(threadIdx.x) < threads_there) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void returns_early() {
  if (threadIdx.x == 3) return;
  __syncthreads();
}

__global__ void half_waits() {
  if (threadIdx.x < 16) {
    __syncwarp(~0u);
  } else {
    __syncthreads();
  }
}

TEST_CASE("a barrier that not all threads reach is reported") {
  const SavedOptions saved;
  options().seed = GENERATE(0u, 1u);
  launch(divergent, 1, 64, 64);
  REQUIRE(error_of_device() == "");
  launch(divergent, 1, 64, 10);
  REQUIRE_THAT(error_of_device(), containing("a divergent barrier"));
  launch(returns_early, 1, 32);
  REQUIRE_THAT(error_of_device(), containing("return") || containing("wait forever"));
  launch(half_waits, 1, 32);
  REQUIRE_THAT(error_of_device(), containing("32 of 32 threads wait forever"));
  launch(divergent, 1, 64, 64);  // fibres of faulty blocks are reused
  REQUIRE(error_of_device() == "");
}

__global__ void shuffles(int* to) {
  const int t = static_cast<int>(threadIdx.x);
  gpu::store(to + t, __shfl_xor_sync(~0u, t, 1));
  gpu::store(to + 64 + t, __shfl_down_sync(~0u, t, 3));
  gpu::store(to + 128 + t, __shfl_up_sync(~0u, t, 3, 8));
  gpu::store(to + 192 + t, __shfl_sync(~0u, t, 5, 8));
  gpu::store(to + 256 + t, static_cast<int>(__ballot_sync(~0u, t % 2)));
  gpu::store(to + 320 + t, __all_sync(~0u, t < 32) + 2 * __any_sync(~0u, t == 40));
}

TEST_CASE("shuffles and votes exchange the same values as in CUDA") {
  const SavedOptions saved;
  options().seed = GENERATE(0u, 7u);
  const Array<int> to(384);
  launch(shuffles, 1, 64, to.get());
  const auto got = to.values();
  for (std::size_t t = 0; t < 64; ++t) {
    const int i = static_cast<int>(t), lane = i % 32;
    CAPTURE(i);
    REQUIRE(got[t] == (i ^ 1));
    REQUIRE(got[64 + t] == (lane + 3 < 32 ? i + 3 : i));
    REQUIRE(got[128 + t] == (i % 8 >= 3 ? i - 3 : i));
    REQUIRE(got[192 + t] == i / 8 * 8 + 5);
    REQUIRE(got[256 + t] == static_cast<int>(0xAAAAAAAAu));
    REQUIRE(got[320 + t] == (i < 32 ? 1 : 2));
  }
}

__global__ void shuffle_after_return() {
  if (threadIdx.x >= 16) return;
  __shfl_down_sync(~0u, 1.0f, 1);
}
__global__ void shuffle_outside_mask() { __shfl_sync(0x0000ffffu, 1.0f, 0); }
__global__ void shuffle_reads_outside_mask() {
  if (threadIdx.x < 16) __shfl_sync(0x0000ffffu, 1.0f, 20);
}

TEST_CASE("a shuffle with missing lanes is reported") {
  launch(shuffle_after_return, 1, 32);
  REQUIRE_THAT(error_of_device(), containing("return") || containing("wait forever"));
  launch(shuffle_outside_mask, 1, 32);
  REQUIRE_THAT(error_of_device(), containing("the calling lane 16 is not in the mask"));
  launch(shuffle_reads_outside_mask, 1, 32);
  REQUIRE_THAT(error_of_device(), containing("reads lane 20, which is not in the mask"));
}

__global__ void number_threads(int* order, int* count, int* index) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  gpu::store(order + atomicAdd(count, 1), static_cast<int>(i));
  gpu::store(index + i, static_cast<int>(i));
}

std::vector<int> order_of_threads(unsigned seed) {
  options().seed = seed;
  const Array<int> order(128), count(std::vector<int>{0}), index(128);
  launch(number_threads, 4, 32, order.get(), count.get(), index.get());
  std::vector<int> all(128);
  std::iota(all.begin(), all.end(), 0);
  REQUIRE(index.values() == all);
  return order.values();
}

TEST_CASE("a seed shuffles threads and blocks, each of which runs once") {
  const SavedOptions saved;
  const auto in_order = order_of_threads(0), shuffled = order_of_threads(5);
  REQUIRE(std::is_sorted(in_order.begin(), in_order.end()));
  REQUIRE(shuffled != in_order);
  REQUIRE(shuffled != order_of_threads(6));
  REQUIRE(shuffled == order_of_threads(5));
  REQUIRE(std::is_permutation(shuffled.begin(), shuffled.end(), in_order.begin()));
}

}  // namespace
}  // namespace emulator::test
