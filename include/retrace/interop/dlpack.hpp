// Exchange of tensors with other libraries through DLPack, without copying.
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

/// Returns the DLPack type of a tensor's elements.
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

/// Owns an exported tensor until the other library calls its deleter.
template <class Managed, class T>
struct Exported {
  Managed managed{};
  std::array<std::int64_t, 4> shape, strides;
  std::optional<Tensor<T, Cpu>> owner;  ///< empty for a view

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
                "only a VersionedTensor can be marked as read-only");
  if (x.device().dry())
    throw StateError("to_dlpack: the device is dry, so its tensors have no elements");
  return std::make_unique<Exported<Managed, std::remove_const_t<T>>>(
      x, std::is_const_v<T> ? dlpack::read_only : 0);
}

}  // namespace detail

/// Exports a view as a tensor [N,H,W,C]. The other library must release it before the view's memory
/// is released.
/// @throws StateError if its device is dry.
template <class Managed = dlpack::VersionedTensor, class T>
Managed* to_dlpack(View<T, Cpu> x) {
  return &detail::exported<Managed>(x).release()->managed;
}

/// Exports a tensor together with its memory. The device must outlive it: the deleter returns the
/// memory to the device's meter and must not run while another thread uses the device.
template <class Managed = dlpack::VersionedTensor, class T>
Managed* to_dlpack(Tensor<T, Cpu>&& x) {
  auto made = detail::exported<Managed>(x.view());
  made->owner.emplace(std::move(x));
  return &made.release()->managed;
}

/// Imports a tensor of another library and calls its deleter on destruction. The tensor must have
/// one to four axes, the last of which is channels: three axes are [H,W,C], one is [C]. To pass a
/// tensor [N,C,H,W] whose memory is NHWC, permute its axes first.
template <class T>
class DlpackView {
 public:
  /// Takes ownership of `from`, whose deleter is called exactly once, even if this throws.
  /// @throws ShapeError if the number of axes is not 1 to 4, an extent is negative, the strides do
  ///         not have a constant pitch, or the size in bytes exceeds an address.
  /// @throws std::invalid_argument if `from` is null, has another major version, device or element
  ///         type, is read-only although T is not const, or has null or misaligned data.
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
    if (!from) throw std::invalid_argument("DlpackView: the tensor is null");
    if constexpr (std::same_as<Managed, dlpack::VersionedTensor>) {
      if (from->version.major != dlpack::major_version)
        throw std::invalid_argument("DlpackView: the tensor has DLPack version " +
                                    std::to_string(from->version.major) +
                                    " but must have version 1");
      if (!std::is_const_v<T> && (from->flags & dlpack::read_only))
        throw std::invalid_argument(
            "DlpackView: the tensor is read-only; view it as const elements");
    }
    return viewed(device, from->tensor);
  }

  static View<T, Cpu> viewed(Cpu& device, const dlpack::PlainTensor& from) {
    const auto wanted = dlpack_type<std::remove_const_t<T>>();
    if (from.device.type != dlpack::cpu)
      throw std::invalid_argument("DlpackView: the tensor is on device type " +
                                  std::to_string(from.device.type) +
                                  " but must be on device type 1 (CPU)");
    if (from.type != wanted)
      throw std::invalid_argument("DlpackView: the element type is " + text(from.type) +
                                  " but must be " + text(wanted));
    if (from.axes < 1 || from.axes > 4 || !from.shape)
      throw ShapeError("DlpackView: the tensor must have 1 to 4 axes but has " +
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

  /// Returns the pitch. Ignores strides of axes of extent 1, and all strides if there are no
  /// elements.
  static Index pitch_of(const dlpack::PlainTensor& from, const std::array<Index, 4>& extents) {
    const Index channels = extents[3];
    if (!from.strides || std::find(extents.begin(), extents.end(), 0) != extents.end())
      return channels;
    std::array<Index, 4> strides{};
    std::copy_n(from.strides, from.axes, strides.end() - from.axes);
    bool fits = channels == 1 || strides[3] == 1;
    std::optional<Index> pitch;
    Index pixels = 1;  // pixels per step along the axis
    for (std::size_t axis = 3; axis-- > 0; pixels *= extents[axis]) {
      if (extents[axis] == 1) continue;
      if (!pitch) pitch = strides[axis] / pixels;
      fits = fits && strides[axis] % pixels == 0 && strides[axis] / pixels == *pitch;
    }
    if (!fits)
      throw ShapeError("DlpackView: the strides are " + std::to_string(strides[0]) + ", " +
                       std::to_string(strides[1]) + ", " + std::to_string(strides[2]) + ", " +
                       std::to_string(strides[3]) +
                       " but pixels must have a constant pitch and channels must be adjacent: copy "
                       "the tensor into NHWC order");
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
