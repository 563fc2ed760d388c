// Checked and counted accesses of kernels to global memory, and shared arrays.
#pragma once

#include <cstddef>

#include "cuda/emulator/location.hpp"

namespace emulator {

enum class Access { read, write };

/// Counts an access. Fails if [pointer, pointer + bytes) is not inside one live device allocation,
/// or is misaligned.
void touch(const void* pointer, std::size_t bytes, std::size_t alignment, Access access,
           const Location& where);

/// Returns the running block's array for `key`, filled with NaN on first use.
void* shared_array(const void* key, std::size_t bytes, std::size_t alignment,
                   const Location& where);

[[noreturn]] void fail_shared_index(const void* array, std::size_t index, std::size_t count);

/// A shared array of a block, which replaces a pointer to check bounds.
template <class T, int Count>
class SharedArray {
 public:
  SharedArray(T* elements) : elements_(elements) {}

  /// A negative index becomes a large one.
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
