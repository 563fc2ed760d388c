// Kernel primitives: launches, global memory and shared memory. Compiled by nvcc for a GPU, and by
// a host compiler for the emulator of the tests.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#if !defined(__CUDACC__)
#include "cuda/emulator/emulator.hpp"  // in tests only
#endif

namespace retrace::gpu {

/// The dimensions of a kernel launch, and the name under which it is accounted.
struct Launch {
  dim3 grid, block;
  cudaStream_t stream;
  const char* name;
};

/// Runs kernel(args…) on the launch's stream. The caller must check for launch errors.
template <class... P, class... A>
void launch(void (*kernel)(P...), const Launch& how, const A&... args) {
#if defined(__CUDACC__)
  kernel<<<how.grid, how.block, 0, how.stream>>>(static_cast<P>(args)...);
#else
  emulator::launch(kernel, {how.grid, how.block, how.stream, how.name}, static_cast<P>(args)...);
#endif
}

#if defined(__CUDACC__)

/// Kernels access global memory only through load() and store(), so that the emulator sees it.
template <class T>
__device__ __forceinline__ T load(const T* from) {
  return *from;
}
template <class T>
__device__ __forceinline__ void store(T* to, T value) {
  *to = value;
}

/// An uninitialised array in the shared memory of a block. Each Tag has its own array.
template <class T, int Count>
using Shared = T*;
template <class T, int Count, int Tag>
__device__ __forceinline__ Shared<T, Count> shared() {
  __shared__ T elements[Count];
  return elements;
}

#else

template <class T>
T load(const T* from, emulator::Location where = emulator::Location::current()) {
  emulator::touch(from, sizeof(T), alignof(T), emulator::Access::read, where);
  return *from;
}
template <class T>
void store(T* to, T value, emulator::Location where = emulator::Location::current()) {
  emulator::touch(to, sizeof(T), alignof(T), emulator::Access::write, where);
  *to = value;
}
template <class T, int Count>
using Shared = emulator::SharedArray<T, Count>;  // with bounds checks
template <class T, int Count, int Tag>
Shared<T, Count> shared(emulator::Location where = emulator::Location::current()) {
  static const char key = 0;
  return {static_cast<T*>(emulator::shared_array(&key, Count * sizeof(T), alignof(T), where))};
}

#endif

}  // namespace retrace::gpu
