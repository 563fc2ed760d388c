// What a kernel may use: launches, global memory and shared memory. nvcc compiles it for a GPU, a
// host compiler for the emulator of the tests.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#if !defined(__CUDACC__)
#include "cuda/emulator/emulator.hpp"  // tests/ only
#endif

namespace retrace::gpu {

/// How a kernel is launched, and the name it is accounted under.
struct Launch {
  dim3 grid, block;
  cudaStream_t stream;
  const char* name;
};

/// Runs kernel(args…) on the launch's stream. Errors of the launch are the caller's to ask for.
template <class... P, class... A>
void launch(void (*kernel)(P...), const Launch& how, const A&... args) {
#if defined(__CUDACC__)
  kernel<<<how.grid, how.block, 0, how.stream>>>(static_cast<P>(args)...);
#else
  emulator::launch(kernel, {how.grid, how.block, how.stream, how.name}, static_cast<P>(args)...);
#endif
}

#if defined(__CUDACC__)

/// Global memory is read and written through these two, so that the emulator sees every access.
template <class T>
__device__ __forceinline__ T load(const T* from) {
  return *from;
}
template <class T>
__device__ __forceinline__ void store(T* to, T value) {
  *to = value;
}

/// An array that the threads of a block share, not initialised; one for each Tag.
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
using Shared = emulator::SharedArray<T, Count>;  // checks its bounds
template <class T, int Count, int Tag>
Shared<T, Count> shared(emulator::Location where = emulator::Location::current()) {
  static const char key = 0;
  return {static_cast<T*>(emulator::shared_array(&key, Count * sizeof(T), alignof(T), where))};
}

#endif

}  // namespace retrace::gpu
