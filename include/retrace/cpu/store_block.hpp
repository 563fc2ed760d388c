// Sets, adds or subtracts vectors of channels.
#pragma once

#include <algorithm>
#include <type_traits>

#include "retrace/core/store.hpp"
#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

template <int W, class T>
void store_block(T* target, Block<T, W> value, Store how) {
  if (how == Store::add) value = load<W>(target) + value;
  if (how == Store::subtract) value = load<W>(target) - value;
  save<W>(target, value);
}

/// Stores the first `count` of the W channels, with count < W. Not inlined, because inlining it at
/// every store would take half of a convolution's compile time.
template <int W, class T>
[[gnu::noinline]] void store_part(T* target, const Block<T, W>& value, Index count, Store how) {
  constexpr int quarter = 16 / static_cast<int>(sizeof(T));  // the smallest vector registers
  T values[W];
  save<W>(values, value);
  Index c = 0;
  if constexpr (quarter < W)
    for (; c + quarter <= count; c += quarter)
      store_block<quarter>(target + c, load<quarter>(values + c), how);
  for (; c < count; ++c) store_block<1>(target + c, values[c], how);
}

/// Loads the first `count` of W elements, and zeros.
template <int W, class T>
Block<T, W> load_part(const T* from, Index count) {
  T values[W] = {};
  for (Index c = 0; c < std::min<Index>(W, count); ++c) values[c] = from[c];
  return load<W>(static_cast<const T*>(values));
}

/// Loads the channels that exist if `count` remain, and zeros.
template <int W, class T>
Block<std::remove_const_t<T>, W> load_channels(T* from, Index count) {
  return count >= W ? load<W>(from) : load_part<W>(static_cast<const T*>(from), count);
}

/// Stores the channels that exist if `count` remain.
template <int W, class T>
void store_channels(T* target, Block<T, W> value, Index count, Store how) {
  if (count >= W)
    store_block<W>(target, value, how);
  else
    store_part<W>(target, value, count, how);
}

}  // namespace retrace::inline RETRACE_ISA::cpu
