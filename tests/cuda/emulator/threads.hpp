// Indices of threads, barriers, shuffles and votes.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda/emulator/location.hpp"

namespace emulator {

enum class Collective { sync, shuffle, ballot, any, all };

void block_barrier(const Location& where);

/// Waits for the lanes of `mask` and returns the calling lane's result. `source` is the lane that a
/// shuffle reads.
std::uint64_t warp_collective(Collective kind, unsigned mask, std::uint64_t value, int source,
                              const Location& where);
int lane();

template <class T>
T shuffle(unsigned mask, T value, int source, const Location& where) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = warp_collective(Collective::shuffle, mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// Returns the first lane of the calling lane's group of `width` lanes.
inline int group(int width) { return lane() & ~(width - 1); }

}  // namespace emulator

inline uint3 threadIdx{}, blockIdx{};
inline dim3 blockDim{}, gridDim{};
inline constexpr int warpSize = 32;

#if !defined(__launch_bounds__)
#define __launch_bounds__(...)
#endif

inline void __syncthreads(emulator::Location where = emulator::Location::current()) {
  emulator::block_barrier(where);
}

inline void __syncwarp(unsigned mask = ~0u,
                       emulator::Location where = emulator::Location::current()) {
  emulator::warp_collective(emulator::Collective::sync, mask, 0, 0, where);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              emulator::Location where = emulator::Location::current()) {
  return emulator::shuffle(mask, value, emulator::group(width) | (source & (width - 1)), where);
}

// For a lane outside the group, the caller gets its own value.

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  emulator::Location where = emulator::Location::current()) {
  const int source = emulator::lane() ^ bits;
  const bool inside = source < emulator::group(width) + width;
  return emulator::shuffle(mask, value, inside ? source : emulator::lane(), where);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32,
                   emulator::Location where = emulator::Location::current()) {
  const int source = emulator::lane() + static_cast<int>(by);
  const bool inside = source < emulator::group(width) + width;
  return emulator::shuffle(mask, value, inside ? source : emulator::lane(), where);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32,
                 emulator::Location where = emulator::Location::current()) {
  const int source = emulator::lane() - static_cast<int>(by);
  const bool inside = source >= emulator::group(width);
  return emulator::shuffle(mask, value, inside ? source : emulator::lane(), where);
}

inline unsigned __ballot_sync(unsigned mask, int predicate,
                              emulator::Location where = emulator::Location::current()) {
  return static_cast<unsigned>(
      emulator::warp_collective(emulator::Collective::ballot, mask, predicate != 0, 0, where));
}

inline int __any_sync(unsigned mask, int predicate,
                      emulator::Location where = emulator::Location::current()) {
  return emulator::warp_collective(emulator::Collective::any, mask, predicate != 0, 0, where) != 0;
}

inline int __all_sync(unsigned mask, int predicate,
                      emulator::Location where = emulator::Location::current()) {
  return emulator::warp_collective(emulator::Collective::all, mask, predicate != 0, 0, where) != 0;
}
