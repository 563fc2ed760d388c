// Filling, copying and adding on the host, on pitched views.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <span>

#include "retrace/core/error.hpp"
#include "retrace/core/store.hpp"
#include "retrace/cpu/cpu.hpp"
#include "retrace/cpu/simd.hpp"
#include "retrace/cpu/store_block.hpp"

namespace retrace::inline RETRACE_ISA {

/// Computes target = value, target += value or target -= value.
template <class T>
void store(T& target, T value, Store how) {
  target = how == Store::set ? value : how == Store::add ? target + value : target - value;
}

namespace cpu {

/// Calls row(pointers…) for the channels of each pixel of views of one shape.
template <class T, class Row, class... Ts>
void for_each_pixel(View<T, Cpu> first, Row row, View<Ts, Cpu>... rest) {
  first.device().parallel(first.shape().pixels(),
                          sweep_work<T>(first.shape(), 1.0 + sizeof...(rest)),
                          [=](Index begin, Index end, int) {
                            for (Index pixel = begin; pixel < end; ++pixel)
                              row(first.pixel(pixel), rest.pixel(pixel)...);
                          });
}

/// Calls `body.operator()<W>(first, last, channel)` for blocks of channels of tiles of pixels.
template <class T, class Body>
void for_each_tile_block(Cpu& device, Shape shape, Work work, Body body) {
  device.parallel(shape.pixels(), work, [&](Index begin, Index end, int) {
    for_each_tile(begin, end, tile_pixels<T>(shape.c), [&](Index first, Index last) {
      for_each_block<T>(shape.c, [&]<int W>(Index channel) {
        body.template operator()<W>(first, last, channel);
      });
    });
  });
}

}  // namespace cpu

template <class T>
void fill(View<T, Cpu> x, std::type_identity_t<T> value) {
  const auto timed = x.device().timed(Operation::movement);
  const Index channels = x.shape().c;
  cpu::for_each_pixel(x, [=](T* row) { std::fill_n(row, channels, value); });
}

/// @throws ShapeError unless the shapes agree.
template <class T>
void copy(View<T, Cpu> to, ConstView<T, Cpu> from) {
  const auto timed = to.device().timed(Operation::movement);
  require_same_shape("copy", "to", to.shape(), "from", from.shape());
  cpu::for_each_tile_block<T>(to.device(), to.shape(), sweep_work<T>(to.shape(), 2),
                              [=]<int W>(Index first, Index last, Index channel) {
                                for (Index p = first; p < last; ++p)
                                  cpu::save<W>(to.pixel(p) + channel,
                                               cpu::load<W>(from.pixel(p) + channel));
                              });
}

/// Copies packed host values into a view, pixel by pixel.
template <class T>
void upload(View<T, Cpu> to, std::span<const std::type_identity_t<T>> values) {
  if (static_cast<Index>(values.size()) != to.shape().size())
    throw ShapeError("upload: there are " + std::to_string(values.size()) + " values but " +
                     to_string(to.shape()) + " has " + std::to_string(to.shape().size()) +
                     " elements");
  copy(to, View<const T, Cpu>(to.device(), values.data(), to.shape(), to.shape().c));
}

/// Copies a view's elements into packed host memory, pixel by pixel.
template <class T>
void download(std::span<std::remove_const_t<T>> values, View<T, Cpu> from) {
  using U = std::remove_const_t<T>;
  if (static_cast<Index>(values.size()) != from.shape().size())
    throw ShapeError("download: there are " + std::to_string(values.size()) + " values but " +
                     to_string(from.shape()) + " has " + std::to_string(from.shape().size()) +
                     " elements");
  copy(View<U, Cpu>(from.device(), values.data(), from.shape(), from.shape().c), from);
}

/// Computes to += from or to -= from.
/// @throws ShapeError unless the shapes agree.
template <class T>
void add(View<T, Cpu> to, ConstView<T, Cpu> from, Store how = Store::add) {
  const auto timed = to.device().timed(Operation::movement);
  require_same_shape("add", "to", to.shape(), "from", from.shape());
  cpu::for_each_tile_block<T>(to.device(), to.shape(), sweep_work<T>(to.shape(), 3),
                              [=]<int W>(Index first, Index last, Index channel) {
                                for (Index p = first; p < last; ++p)
                                  cpu::store_block<W>(to.pixel(p) + channel,
                                                      cpu::load<W>(from.pixel(p) + channel), how);
                              });
}

/// Returns whether x contains neither NaN nor infinity.
template <class T>
bool all_finite(View<T, Cpu> x) {
  std::atomic<bool> finite = true;
  const Index channels = x.shape().c;
  cpu::for_each_pixel(x, [=, &finite](T* row) {
    bool row_is_finite = true;
    for (Index c = 0; c < channels; ++c) row_is_finite = row_is_finite && std::isfinite(row[c]);
    if (!row_is_finite) finite = false;
  });
  return finite;
}

}  // namespace retrace::inline RETRACE_ISA
