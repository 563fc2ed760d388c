// Kernels that use the same features as the library's, run from their source and from their PTX.
// Include in one file per program.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstdint>

#include "kernels/gpu.cuh"

namespace ptx::test {

namespace gpu = retrace::gpu;

template <class T>
__global__ void scale(const T* from, T* to, std::int64_t count, T factor) {
  const std::int64_t step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step)
    gpu::store(to + i, gpu::load(from + i) * factor);
}

__global__ void add_fours(float4* to, const float4* from, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  const float4 a = gpu::load(to + i), b = gpu::load(from + i);
  gpu::store(to + i, make_float4(a.x + b.x, a.y + b.y, a.z - b.z, a.w * b.w));
}

template <bool barrier>
__global__ void sum(const float* from, float* to) {
  const auto parts = gpu::shared<float, 8, 0>();
  const unsigned t = threadIdx.x;
  float value = gpu::load(from + blockIdx.x * 256 + t);
  for (int by = 16; by > 0; by /= 2) value += __shfl_xor_sync(~0u, value, by);
  if (t % 32 == 0) parts[t / 32] = value;
  if (barrier) __syncthreads();
  if (t != 0) return;
  float total = 0;
  for (int i = 0; i < 8; ++i) total += parts[i];
  gpu::store(to + blockIdx.x, total);
}

__global__ void functions(const float* from, float* to) {
  const unsigned t = threadIdx.x;
  const float x = gpu::load(from + t);
  gpu::store(to + t, expf(x));
  gpu::store(to + 32 + t, sqrtf(fabsf(x)));
  gpu::store(to + 64 + t, logf(fabsf(x) + 1));
  gpu::store(to + 96 + t, 1 / (1 + x * x));
  gpu::store(to + 128 + t, x > 0 ? x : 0.25f * x);
  gpu::store(to + 160 + t, fmaxf(x, 0.5f) - fminf(x, 0.5f));
}

__global__ void halves(const float* from, float* to) {
  const unsigned t = threadIdx.x;
  const float x = gpu::load(from + t);
  gpu::store(to + t, __half2float(__float2half(x)));
  gpu::store(to + 32 + t, __bfloat162float(__float2bfloat16(x)));
}

__global__ void integers(const int* from, std::int64_t* to) {
  const unsigned t = threadIdx.x;
  const int x = gpu::load(from + t);
  gpu::store(to + t, static_cast<std::int64_t>(x) * 1000003 / 7);
  gpu::store(to + 32 + t, static_cast<std::int64_t>(x % 5));
  gpu::store(to + 64 + t,
             static_cast<std::int64_t>(__umulhi(static_cast<unsigned>(x), 0xD2511F53u) ^ t));
  gpu::store(to + 96 + t, static_cast<std::int64_t>(x >> 3) << 2);
  gpu::store(to + 128 + t, static_cast<std::int64_t>(static_cast<float>(x) * 0.5f));
}

__global__ void count(int* to) { atomicAdd(to, 1); }

__global__ void write_shared(float* to, int index) {
  const auto part = gpu::shared<float, 64, 0>();
  part[index] = gpu::load(to);
  __syncthreads();
  gpu::store(to, part[(index + 1) % 64]);
}

__global__ void divergent(float* to, int threads_there) {
  if (static_cast<int>(threadIdx.x) < threads_there) {
    __syncthreads();
    gpu::store(to, 1.0f);
  }
}

}  // namespace ptx::test
