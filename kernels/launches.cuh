// Kernel launches with one thread per value, in packs as wide as the memory allows.
#pragma once

#include "walk.cuh"

namespace retrace::kernels {

/// Returns a launch with one thread for each of `count` values, in blocks of block_threads.
inline gpu::Launch for_each(Context& on, std::int64_t count, const char* name) {
  return {dim3(static_cast<unsigned>(count > 0 ? (count + block_threads - 1) / block_threads : 1)),
          dim3(block_threads), on.stream(), name};
}

/// Calls body.operator()<V>(), where V is the number of channels in 128 bits, or 1.
template <class T, class Body>
void in_packs(bool wide, Body body) {
  if (wide)
    body.template operator()<widest<T>>();
  else
    body.template operator()<1>();
}

}  // namespace retrace::kernels
