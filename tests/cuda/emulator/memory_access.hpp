// A kernel's accesses to global memory, checked and counted, and its shared arrays.
#pragma once

#include <cstddef>

#include "cuda/emulator/location.hpp"

namespace emulator {

enum class Access { read, write };

/// Fails where [pointer, pointer + bytes) is not inside one live allocation of the device, or not
/// aligned; counts it.
void touch(const void* pointer, std::size_t bytes, std::size_t alignment, Access access,
           const Location& where);

/// The array of the running block under `key`, full of NaN when the first of its threads asks.
void* shared_array(const void* key, std::size_t bytes, std::size_t alignment,
                   const Location& where);

[[noreturn]] void fail_shared_index(const void* array, std::size_t index, std::size_t count);

/// An array shared by a block, in place of a pointer, so that its bounds are checked.
template <class T, int Count>
class SharedArray {
 public:
  SharedArray(T* elements) : elements_(elements) {}

  /// A negative index is a large one here.
  template <class Index>
  T& operator[](Index index) const {
    const auto i = static_cast<std::size_t>(index);
    if (i >= std::size_t{Count}) fail_shared_index(elements_, i, Count);
    return elements_[i];
  }

 private:
  T* elements_;
};

}  // namespace emulator
