// Atomic additions.
#pragma once

#include <atomic>
#include <type_traits>

#include "cuda/emulator/memory_access.hpp"

namespace emulator {

template <class T>
T atomic_add(T* to, T value) {
  std::atomic_ref<T> target(*to);
  T old = target.load(std::memory_order_relaxed);
  while (
      !target.compare_exchange_weak(old, static_cast<T>(old + value), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace emulator

inline int atomicAdd(int* to, int value) { return emulator::atomic_add(to, value); }
inline unsigned atomicAdd(unsigned* to, unsigned value) { return emulator::atomic_add(to, value); }
inline unsigned long long atomicAdd(unsigned long long* to, unsigned long long value) {
  return emulator::atomic_add(to, value);
}
inline float atomicAdd(float* to, float value) { return emulator::atomic_add(to, value); }
inline double atomicAdd(double* to, double value) { return emulator::atomic_add(to, value); }
