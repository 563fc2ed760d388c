// Vectors of channels, as wide as the target's registers if there are enough channels.
#pragma once

#include <cstring>
#include <type_traits>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

namespace detail {
template <class T, int W>
struct BlockOf {
  // NOLINTNEXTLINE(modernize-use-using): an alias cannot have the attribute
  typedef T type __attribute__((vector_size(W * sizeof(T))));
};
template <class T>
struct BlockOf<T, 1> {
  using type = T;
};
}  // namespace detail

/// W neighbouring channels, with element-wise arithmetic.
template <class T, int W>
using Block = typename detail::BlockOf<T, W>::type;

/// The number of elements of T in a register.
template <class T>
inline constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

template <int W, class T>
Block<std::remove_const_t<T>, W> load(T* from) {
  Block<std::remove_const_t<T>, W> block;
  std::memcpy(&block, from, sizeof block);
  return block;
}

template <int W, class T>
void save(T* to, Block<T, W> block) {
  std::memcpy(to, &block, sizeof block);
}

/// Converts each element to another type.
template <class To, class From>
To converted(From block) {
  if constexpr (std::is_arithmetic_v<From>)
    return static_cast<To>(block);
  else
    return __builtin_convertvector(block, To);
}

/// Calls `body.operator()<W>(channel)` for blocks of W channels that cover [0, channels) in order:
/// as many full registers as fit, then quarters of one, then single channels.
template <class T, class Body>
void for_each_block(Index channels, Body body) {
  constexpr int full = lanes<T>, quarter = full / 4;
  Index channel = 0;
  for (; channel + full <= channels; channel += full) body.template operator()<full>(channel);
  if constexpr (quarter > 1)
    for (; channel + quarter <= channels; channel += quarter)
      body.template operator()<quarter>(channel);
  for (; channel < channels; ++channel) body.template operator()<1>(channel);
}

/// Returns the number of pixels in a tile that stays in the L1 cache during several loops over it.
template <class T>
Index tile_pixels(Index channels) {
  constexpr Index cache_share = 16 * 1024;
  const Index pixels = cache_share / (channels * static_cast<Index>(sizeof(T)) + 1);
  return pixels < 16 ? 16 : pixels > 256 ? 256 : pixels;
}

/// Calls body(first, last) for the tiles of [begin, end).
template <class Body>
void for_each_tile(Index begin, Index end, Index tile, Body body) {
  for (Index first = begin; first < end; first += tile)
    body(first, first + tile < end ? first + tile : end);
}

}  // namespace retrace::inline RETRACE_ISA::cpu
