// Tensors that other libraries see, and theirs seen here, by DLPack and without a copy.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "retrace/cpu/cpu.hpp"
#include "retrace/interop/borrow.hpp"
#include "retrace/interop/dlpack_abi.hpp"
#include "retrace/math/bfloat16.hpp"

namespace retrace::inline RETRACE_ISA {

/// What DLPack calls the elements of a tensor here.
template <class T>
constexpr dlpack::DataType dlpack_type() {
  constexpr auto bits = static_cast<std::uint8_t>(8 * sizeof(T));
  if constexpr (std::same_as<T, math::Bfloat16>)
    return {dlpack::brain_float, bits, 1};
  else if constexpr (std::floating_point<T>)
    return {dlpack::ieee_float, bits, 1};
  else
    return {std::signed_integral<T> ? dlpack::signed_integer : dlpack::unsigned_integer, bits, 1};
}

namespace detail {

/// What an exported tensor lives in until the other library calls its deleter.
template <class Managed, class T>
struct Exported {
  Managed managed{};
  std::array<std::int64_t, 4> shape, strides;
  std::optional<Tensor<T, Cpu>> owner;  ///< none of a view

  Exported(View<const T, Cpu> x, std::uint64_t flags)
      : shape{x.shape().n, x.shape().h, x.shape().w, x.shape().c},
        strides{shape[1] * shape[2] * x.pitch(), shape[2] * x.pitch(), x.pitch(), 1} {
    managed.tensor = {const_cast<T*>(x.data()),
                      {dlpack::cpu, 0},
                      4,
                      dlpack_type<T>(),
                      shape.data(),
                      strides.data(),
                      0};
    managed.context = this;
    managed.deleter = [](Managed* self) { delete static_cast<Exported*>(self->context); };
    if constexpr (std::same_as<Managed, dlpack::VersionedTensor>) {
      managed.version = {dlpack::major_version, dlpack::minor_version};
      managed.flags = flags;
    }
  }
};

template <class Managed, class T>
std::unique_ptr<Exported<Managed, std::remove_const_t<T>>> exported(View<T, Cpu> x) {
  static_assert(!std::is_const_v<T> || std::same_as<Managed, dlpack::VersionedTensor>,
                "only a VersionedTensor can say that it is read-only");
  if (x.device().dry()) throw StateError("to_dlpack: the tensors of a dry device have no elements");
  return std::make_unique<Exported<Managed, std::remove_const_t<T>>>(
      x, std::is_const_v<T> ? dlpack::read_only : 0);
}

}  // namespace detail

/// The view as a tensor [N,H,W,C] of another library, which must let it go before its memory goes.
/// @throws StateError if its device is dry.
template <class Managed = dlpack::VersionedTensor, class T>
Managed* to_dlpack(View<T, Cpu> x) {
  return &detail::exported<Managed>(x).release()->managed;
}

/// The same of a tensor that is handed over with its memory: its device has to live until the
/// deleter gives that back to the device's meter, which must not happen while another thread uses
/// the device.
template <class Managed = dlpack::VersionedTensor, class T>
Managed* to_dlpack(Tensor<T, Cpu>&& x) {
  auto made = detail::exported<Managed>(x.view());
  made->owner.emplace(std::move(x));
  return &made.release()->managed;
}

/// A tensor of another library, seen here for as long as this lives: then its deleter is called.
/// It has one to four axes, the last of them channels: three are [H,W,C], one is [C]. A tensor
/// [N,C,H,W] whose memory is NHWC is passed with its axes permuted.
template <class T>
class DlpackView {
 public:
  /// Takes over `from`, whose deleter is called, once, even if this throws.
  /// @throws ShapeError if there are other numbers of axes, a negative extent, strides that are not
  ///         those of pixels at one pitch, or more bytes than an address can count.
  /// @throws std::invalid_argument for null, another major version, device or element type, a
  /// tensor
  ///         that is read-only where T is not const, or data that is null or not aligned.
  template <class Managed>
  DlpackView(Cpu& device, Managed* from)
      : owner_(from,
               [](void* managed) {
                 auto* self = static_cast<Managed*>(managed);
                 if (self->deleter) self->deleter(self);
               }),
        view_(viewed(device, from)) {}

  View<T, Cpu> view() const { return view_; }

 private:
  template <class Managed>
  static View<T, Cpu> viewed(Cpu& device, const Managed* from) {
    if (!from) throw std::invalid_argument("DlpackView: there is no tensor");
    if constexpr (std::same_as<Managed, dlpack::VersionedTensor>) {
      if (from->version.major != dlpack::major_version)
        throw std::invalid_argument("DlpackView: the tensor is of version " +
                                    std::to_string(from->version.major) +
                                    " of DLPack, but only version 1 is known");
      if (!std::is_const_v<T> && (from->flags & dlpack::read_only))
        throw std::invalid_argument(
            "DlpackView: the tensor is read-only; view it as const elements");
    }
    return viewed(device, from->tensor);
  }

  static View<T, Cpu> viewed(Cpu& device, const dlpack::PlainTensor& from) {
    const auto wanted = dlpack_type<std::remove_const_t<T>>();
    if (from.device.type != dlpack::cpu)
      throw std::invalid_argument("DlpackView: the tensor is on a device of type " +
                                  std::to_string(from.device.type) + ", not on a CPU");
    if (from.type != wanted)
      throw std::invalid_argument("DlpackView: elements are " + text(from.type) + ", not " +
                                  text(wanted));
    if (from.axes < 1 || from.axes > 4 || !from.shape)
      throw ShapeError("DlpackView: a tensor has 1 to 4 axes here, not " +
                       std::to_string(from.axes));
    std::array<Index, 4> extents{1, 1, 1, 1};
    std::copy_n(from.shape, from.axes, extents.end() - from.axes);
    const Shape shape{extents[0], extents[1], extents[2], extents[3]};
    require_countable<T>("DlpackView", shape, shape.c);
    const Index pitch = pitch_of(from, extents);
    char* bytes = static_cast<char*>(from.data);
    auto* data = reinterpret_cast<T*>(bytes ? bytes + from.byte_offset : bytes);
    require_viewable("DlpackView", data, shape, pitch);
    return {device, data, shape, pitch};
  }

  /// Strides of axes of one index mean nothing, and neither do any where there is no element.
  static Index pitch_of(const dlpack::PlainTensor& from, const std::array<Index, 4>& extents) {
    const Index channels = extents[3];
    if (!from.strides || std::find(extents.begin(), extents.end(), 0) != extents.end())
      return channels;
    std::array<Index, 4> strides{};
    std::copy_n(from.strides, from.axes, strides.end() - from.axes);
    bool fits = channels == 1 || strides[3] == 1;
    std::optional<Index> pitch;
    Index pixels = 1;  // of one index of the axis
    for (std::size_t axis = 3; axis-- > 0; pixels *= extents[axis]) {
      if (extents[axis] == 1) continue;
      if (!pitch) pitch = strides[axis] / pixels;
      fits = fits && strides[axis] % pixels == 0 && strides[axis] / pixels == *pitch;
    }
    if (!fits)
      throw ShapeError("DlpackView: strides are " + std::to_string(strides[0]) + ", " +
                       std::to_string(strides[1]) + ", " + std::to_string(strides[2]) + ", " +
                       std::to_string(strides[3]) +
                       ", but pixels have to be at one pitch and channels side by side: copy the "
                       "tensor into NHWC order");
    return pitch.value_or(channels);
  }

  static std::string text(dlpack::DataType type) {
    return "code " + std::to_string(type.code) + " of " + std::to_string(type.bits) + " bits x " +
           std::to_string(type.lanes);
  }

  std::unique_ptr<void, void (*)(void*)> owner_;
  View<T, Cpu> view_;
};

}  // namespace retrace::inline RETRACE_ISA
