// A block of NHWC memory on one device, and a view of it.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <type_traits>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/core/memory_meter.hpp"
#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// A place where tensors live. Operations are overloaded for it; layers only pass it along.
/// allocate() returns null on a dry device, and release(null) is allowed.
template <class D>
concept Device = requires(D device, void* memory, std::size_t bytes) {
  { device.allocate(bytes) } -> std::same_as<void*>;
  { device.release(memory, bytes) }
  noexcept;
  { device.memory() } -> std::same_as<MemoryMeter&>;
  { device.dry() } -> std::same_as<bool>;
};

/// A non-owning view of elements. `pitch` is the number of elements from one pixel to the next, so
/// a view of some of the channels needs no copy.
template <class T, Device D>
class View {
 public:
  View(D& device, T* data, Shape shape, Index pitch)
      : device_(&device), data_(data), shape_(shape), pitch_(pitch) {}

  operator View<const T, D>() const requires(!std::is_const_v<T>) {
    return {*device_, data_, shape_, pitch_};
  }

  D& device() const { return *device_; }
  T* data() const { return data_; }
  Shape shape() const { return shape_; }
  Index pitch() const { return pitch_; }
  bool packed() const { return pitch_ == shape_.c; }
  T* pixel(Index index) const { return data_ + index * pitch_; }

  View channels(Index first, Index count) const {
    return {*device_, data_ + first, with_channels(shape_, count), pitch_};
  }
  View images(Index first, Index count) const {
    return {*device_,
            data_ + first * shape_.h * shape_.w * pitch_,
            {count, shape_.h, shape_.w, shape_.c},
            pitch_};
  }

 private:
  D* device_;
  T* data_;
  Shape shape_;
  Index pitch_;
};

/// A read-only view whose types are not deduced from the argument, so that a view of a writable
/// tensor converts to it: `void copy(View<T, D> to, ConstView<T, D> from)`.
template <class T, class D>
using ConstView = View<const std::type_identity_t<T>, std::type_identity_t<D>>;

/// A writable view whose types are not deduced from the argument.
template <class T, class D>
using SameView = View<std::type_identity_t<T>, std::type_identity_t<D>>;

/// Owns its elements, stored packed. Moves are cheap; clone() makes a copy.
template <class T, Device D>
class Tensor {
 public:
  using Element = T;

  /// Allocates the elements without initialising them.
  /// @throws OutOfMemory if the meter's limit or the machine does not allow it.
  Tensor(D& device, Shape shape, Use use = Use::activation)
      : device_(&device), data_(acquire(device, bytes(shape), use)), shape_(shape), use_(use) {}

  /// Returns a tensor without elements.
  static Tensor none(D& device) { return {device, {0, 0, 0, 0}}; }

  Tensor(Tensor&& other) noexcept
      : device_(std::exchange(other.device_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        shape_(other.shape_),
        use_(other.use_),
        pass_(other.pass_) {}
  /// Copies the elements. Explicit, so that no function copies by accident.
  explicit Tensor(const Tensor& other) : Tensor(clone(other, other.use_)) {}
  Tensor& operator=(const Tensor&) = delete;
  Tensor& operator=(Tensor&& other) noexcept {
    if (this == &other) return *this;
    free();
    device_ = std::exchange(other.device_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    shape_ = other.shape_;
    use_ = other.use_;
    pass_ = other.pass_;
    return *this;
  }
  ~Tensor() { free(); }

  D& device() const { return *device_; }
  Shape shape() const { return shape_; }
  Use use() const { return use_; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  View<T, D> view() { return {*device_, data_, shape_, shape_.c}; }
  View<const T, D> view() const { return {*device_, data_, shape_, shape_.c}; }

  /// The number of the pass that made this tensor as its output, or 0. A chain sets it.
  std::uint64_t pass() const { return pass_; }
  void set_pass(std::uint64_t pass) { pass_ = pass; }

  /// Changes the tensor's use; the memory meter follows.
  Tensor&& as(Use use) && {
    if (device_) device_->memory().moved(use_, use, bytes(shape_));
    use_ = use;
    return std::move(*this);
  }

  /// Changes the extents; the elements and their order stay the same.
  /// @throws ShapeError unless both shapes have the same number of elements.
  void reshape(Shape shape) {
    if (shape.size() != shape_.size())
      throw ShapeError("Tensor::reshape: " + to_string(shape_) + " cannot be reshaped to " +
                       to_string(shape) + ": the element counts differ");
    shape_ = shape;
  }

 private:
  static constexpr std::size_t uncountable = std::numeric_limits<std::size_t>::max();

  static std::size_t bytes(Shape shape) {
    const auto elements = static_cast<std::uint64_t>(shape.size());
    return elements > uncountable / sizeof(T) ? uncountable
                                              : static_cast<std::size_t>(elements) * sizeof(T);
  }

  static T* acquire(D& device, std::size_t bytes, Use use) {
    device.memory().allocated(use, bytes);
    try {
      if (bytes == uncountable) throw std::bad_alloc();
      return static_cast<T*>(device.allocate(bytes));
    } catch (const std::bad_alloc&) {
      device.memory().released(use, bytes);
      throw OutOfMemory(device.memory().place(), use, bytes, device.memory().live(),
                        MemoryMeter::unlimited);
    } catch (...) {
      device.memory().released(use, bytes);
      throw;
    }
  }

  void free() noexcept {
    if (!device_) return;
    device_->release(data_, bytes(shape_));
    device_->memory().released(use_, bytes(shape_));
  }

  D* device_;
  T* data_;
  Shape shape_;
  Use use_;
  std::uint64_t pass_ = 0;
};

/// Returns a packed copy with its own memory.
template <class T, Device D>
Tensor<std::remove_const_t<T>, D> clone(View<T, D> x, Use use = Use::activation) {
  Tensor<std::remove_const_t<T>, D> result(x.device(), x.shape(), use);
  copy(result.view(), x);
  return result;
}
template <class T, Device D>
Tensor<T, D> clone(const Tensor<T, D>& x, Use use = Use::activation) {
  Tensor<T, D> result = clone(x.view(), use);
  result.set_pass(x.pass());
  return result;
}

/// Returns the shape of each channel half of a tensor that a coupling splits.
/// @throws ShapeError if the number of channels is odd.
inline Shape half_of(Shape x) {
  if (x.c % 2 != 0)
    throw ShapeError("a coupling needs an even number of channels, but x is " + to_string(x));
  return with_channels(x, x.c / 2);
}

/// Returns the two channel halves of a view: (x₁, x₂) of a coupling.
/// @throws ShapeError if the number of channels is odd.
template <class T, Device D>
std::pair<View<T, D>, View<T, D>> halves(View<T, D> x) {
  const Index half = half_of(x.shape()).c;
  return {x.channels(0, half), x.channels(half, half)};
}

}  // namespace retrace::inline RETRACE_ISA
