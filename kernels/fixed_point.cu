// Rounding to a state of integers and widening it again.
#include <type_traits>

#include "launches.cuh"
#include "reduce.cuh"
#include "retrace/math/fixed_point.hpp"

namespace retrace::kernels {

/// The number of channels per thread for two tensors: as many as fill 128 bits of the wider
/// element.
template <class E, class T>
inline constexpr int widest_of_both = widest<E> < widest<T> ? widest<E> : widest<T>;

/// Returns whether both tensors can be accessed in packs of that size.
template <class E, class T>
bool both_wide(const Pixels<E>& q, const Pixels<T>& x) {
  constexpr int width = widest_of_both<std::remove_const_t<E>, std::remove_const_t<T>>;
  const auto fits = [](const auto& tensor, std::size_t element) {
    return tensor.channels % width == 0 && tensor.pitch % width == 0 &&
           reinterpret_cast<std::uintptr_t>(tensor.data) % (width * element) == 0;
  };
  return fits(q, sizeof(E)) && fits(x, sizeof(T));
}

/// Computes q =, += or −= round(x·scale) and counts the values that do not fit.
template <class E, class T, int V>
struct StoreRounded {
  static constexpr int width = V;
  static constexpr Combine combine = Combine::sum;
  Pixels<E> q;
  Pixels<const T> x;
  T scale;
  Store how;

  __device__ void operator()(std::int64_t pixel, int channel, double& overflows,
                             double& nonfinite) const {
    const Pack<T, V> values = at<V>(x, pixel, channel);
    Pack<E, V> sums{};
    if (how != Store::set) sums = at<V>(q, pixel, channel);
    math::RoundingCounts<std::int32_t> counts;
    for (int i = 0; i < V; ++i) math::store_rounded(sums.v[i], values.v[i], scale, how, counts);
    put<V>(q, pixel, channel, sums);
    overflows += counts.overflows;
    nonfinite += counts.nonfinite;
  }
};

template <class T, class E, int V>
struct Widen {
  static constexpr int width = V;
  Pixels<T> x;
  Pixels<const E> q;
  T step;

  __device__ NoConstants constants(int) const { return {}; }
  __device__ void operator()(std::int64_t pixel, int channel, NoConstants) const {
    const Pack<E, V> from = at<V>(q, pixel, channel);
    Pack<T, V> to;
    for (int i = 0; i < V; ++i) to.v[i] = math::widened(from.v[i], step);
    put<V>(x, pixel, channel, to);
  }
};

template <class E, class T>
Pair store_rounded(Context& on, Pixels<E> q, Pixels<const T> x, T scale, Store how,
                   double* scratch) {
  constexpr const char* name = "store_rounded";
  if (both_wide(q, x))
    return reduce(on, name, StoreRounded<E, T, widest_of_both<E, T>>{q, x, scale, how}, q.count,
                  q.channels, scratch);
  return reduce(on, name, StoreRounded<E, T, 1>{q, x, scale, how}, q.count, q.channels, scratch);
}

template <class T, class E>
void widen(Context& on, Pixels<T> x, Pixels<const E> q, T step) {
  if (both_wide(q, x))
    walk(on, "widen", Widen<T, E, widest_of_both<E, T>>{x, q, step}, x.count, x.channels);
  else
    walk(on, "widen", Widen<T, E, 1>{x, q, step}, x.count, x.channels);
}

// clang-format off
#define RETRACE_FIXED(E, T)                                                                       \
  template Pair store_rounded<E, T>(Context&, Pixels<E>, Pixels<const T>, T, Store, double*);     \
  template void widen<T, E>(Context&, Pixels<T>, Pixels<const E>, T);
// clang-format on
RETRACE_FIXED(std::int16_t, float)
RETRACE_FIXED(std::int16_t, double)
RETRACE_FIXED(std::int32_t, float)
RETRACE_FIXED(std::int32_t, double)

}  // namespace retrace::kernels
