// Rows of a table by the numbers of tokens, on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "retrace/cpu/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// Returns the row of a token: its whole part modulo the rows.
template <class T>
Index token_row(T token, Index rows) {
  constexpr T most = T(1 << 24);
  const Index number = token > -most && token < most ? static_cast<Index>(token) : 0;
  return (number % rows + rows) % rows;
}

}  // namespace cpu

/// Throws DataError unless every element of x is a whole number of [0, rows).
template <class T>
void require_tokens(View<const T, Cpu> x, Index rows) {
  if (x.device().dry()) return;
  for (Index i = 0; i < x.shape().pixels(); ++i) {
    const T token = *x.pixel(i);
    if (token >= 0 && token < static_cast<T>(rows) && token == std::floor(token)) continue;
    std::string text = std::to_string(token);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    throw DataError("TokenEmbedding: token " + text + " of position " + std::to_string(i) +
                    " is not one of " + std::to_string(rows) + ", 0 to " +
                    std::to_string(rows - 1));
  }
}

/// Computes y[pixel] =, += or −= table[x[pixel]], and + positions[p] for position p of its sequence
/// unless `positions` has no rows. Tokens outside the table are taken modulo its rows.
template <class T>
void embed_tokens(View<T, Cpu> y, View<const T, Cpu> x, ConstView<T, Cpu> table,
                  ConstView<T, Cpu> positions, Store how) {
  const Index channels = y.shape().c, length = y.shape().h * y.shape().w;
  const Index rows = table.shape().pixels(), placed = positions.shape().pixels();
  y.device().parallel(y.shape().pixels(), sweep_work<T>(y.shape(), 3),
                      [=](Index first, Index last, int) {
                        for (Index i = first; i < last; ++i) {
                          const T* row = table.pixel(cpu::token_row(*x.pixel(i), rows));
                          const T* place = placed > 0 ? positions.pixel(i % length) : nullptr;
                          T* out = y.pixel(i);
                          for (Index c = 0; c < channels; ++c)
                            store(out[c], place ? row[c] + place[c] : row[c], how);
                        }
                      });
}

/// Computes table[x[pixel]] += dy[pixel]: each row in the order of pixels.
template <class T>
void add_token_gradients(View<T, Cpu> table, View<const T, Cpu> x, ConstView<T, Cpu> dy) {
  const Index rows = table.shape().pixels(), pixels = x.shape().pixels(), channels = dy.shape().c;
  Tensor<std::int32_t, Cpu> memory(x.device(), {1, 1, 1, rows + 1 + pixels}, Use::workspace);
  std::int32_t *first = memory.data(), *order = nullptr;
  if (!x.device().dry()) {
    order = first + rows + 1;
    std::fill_n(first, rows + 1, 0);
    for (Index i = 0; i < pixels; ++i) ++first[cpu::token_row(*x.pixel(i), rows) + 1];
    for (Index row = 0; row < rows; ++row) first[row + 1] += first[row];
    for (Index i = 0; i < pixels; ++i)
      order[first[cpu::token_row(*x.pixel(i), rows)]++] = static_cast<std::int32_t>(i);
  }
  // Now first[row] is the end of a row's pixels.
  table.device().parallel(rows, sweep_work<T>(dy.shape(), 3), [=](Index begin, Index end, int) {
    for (Index row = begin; row < end; ++row)
      for (Index k = row > 0 ? first[row - 1] : 0; k < first[row]; ++k) {
        const T* from = dy.pixel(order[k]);
        T* to = table.pixel(row);
        for (Index c = 0; c < channels; ++c) to[c] += from[c];
      }
  });
}

/// Computes positions[p] += Σ dy over position p of all sequences.
template <class T>
void add_position_gradients(View<T, Cpu> positions, ConstView<T, Cpu> dy) {
  const Index length = dy.shape().h * dy.shape().w, channels = dy.shape().c, n = dy.shape().n;
  positions.device().parallel(length, sweep_work<T>(dy.shape(), 3),
                              [=](Index first, Index last, int) {
                                for (Index p = first; p < last; ++p)
                                  for (Index i = 0; i < n; ++i) {
                                    const T* from = dy.pixel(i * length + p);
                                    for (Index c = 0; c < channels; ++c)
                                      positions.pixel(p)[c] += from[c];
                                  }
                              });
}

}  // namespace retrace::inline RETRACE_ISA
