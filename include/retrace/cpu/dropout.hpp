// Dropout on the host.
#pragma once

#include <algorithm>
#include <cstdint>

#include "retrace/cpu/elementwise.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA {

/// Multiplies each element of packed x by 0 with probability `rate` and by 1/(1 − rate) otherwise.
/// Element e uses word e % 4 of Philox block (e/4, step) under the key `seed`. `begin` is the
/// number of x's first element.
template <class T>
void drop_elements(View<T, Cpu> x, double rate, std::uint64_t seed, std::uint64_t step,
                   Index begin = 0) {
  const Index end = begin + x.shape().size(), first_block = begin / 4;
  const T scale = static_cast<T>(1 / (1 - rate));
  const auto threshold = static_cast<float>(rate);
  x.device().parallel(
      (end + 3) / 4 - first_block, sweep_work<T>(x.shape(), 2), [=](Index first, Index last, int) {
        for (Index block = first_block + first; block < first_block + last; ++block) {
          const auto number = static_cast<std::uint64_t>(block);
          const PhiloxCounter words =
              philox({static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32),
                      static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)},
                     philox_key(seed));
          for (Index e = std::max(begin, 4 * block); e < std::min(end, 4 * block + 4); ++e)
            x.data()[e - begin] *=
                uniform(words[static_cast<std::size_t>(e % 4)]) < threshold ? T(0) : scale;
        }
      });
}

}  // namespace retrace::inline RETRACE_ISA
