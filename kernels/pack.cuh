// Neighbouring channels that one thread reads and writes at once.
#pragma once

#include <cstdint>

#include "gpu.cuh"
#include "retrace/cuda/compiled.hpp"

namespace retrace::kernels {

/// V channels of a pixel: one 128-bit access if V is `widest<T>`.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};

/// The number of channels in 128 bits.
template <class T>
inline constexpr int widest = 16 / static_cast<int>(sizeof(T));

template <int V, class T>
__device__ __forceinline__ Pack<T, V> load(const T* from) {
  return gpu::load(reinterpret_cast<const Pack<T, V>*>(from));
}
template <int V, class T>
__device__ __forceinline__ void store(T* to, const Pack<T, V>& values) {
  gpu::store(reinterpret_cast<Pack<T, V>*>(to), values);
}
/// The same for a tensor of `const T`, whose elements are T.
template <class T>
struct Unqualified {
  using Type = T;
};
template <class T>
struct Unqualified<const T> {
  using Type = T;
};

/// Loads the V channels of a pixel that begin at `channel`.
template <int V, class T>
__device__ __forceinline__ auto at(const Pixels<T>& x, std::int64_t pixel, int channel) {
  return load<V>(static_cast<const typename Unqualified<T>::Type*>(x.data) + pixel * x.pitch +
                 channel);
}
template <int V, class T>
__device__ __forceinline__ void put(const Pixels<T>& x, std::int64_t pixel, int channel,
                                    const Pack<T, V>& values) {
  store<V>(x.data + pixel * x.pitch + channel, values);
}

/// Computes to = value, to += value or to -= value.
template <int V, class T>
__device__ __forceinline__ void put(const Pixels<T>& x, std::int64_t pixel, int channel,
                                    Pack<T, V> values, Store how) {
  if (how != Store::set) {
    const Pack<T, V> before = at<V>(x, pixel, channel);
    for (int i = 0; i < V; ++i)
      values.v[i] = how == Store::add ? before.v[i] + values.v[i] : before.v[i] - values.v[i];
  }
  put<V>(x, pixel, channel, values);
}

/// Returns whether all tensors can be accessed in packs of `widest<T>`.
template <class T>
bool can_be_wide(const Pixels<T>& x) {
  constexpr int width = widest<T>;
  return x.channels % width == 0 && x.pitch % width == 0 &&
         reinterpret_cast<std::uintptr_t>(x.data) % 16 == 0;
}
template <class... Tensors>
bool all_wide(const Tensors&... tensors) {
  return (can_be_wide(tensors) && ...);
}

}  // namespace retrace::kernels
