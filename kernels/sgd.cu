// Updates of stochastic gradient descent, of as many parameters in a launch as its arguments hold.
#include <algorithm>

#include "launches.cuh"

namespace retrace::kernels {

inline constexpr int elements_a_block = 16 * block_threads;

/// Arguments of a launch, of which there may be 4 KB. Parameter t has the blocks up to end[t].
template <class T>
struct SgdTerms {
  static constexpr int most = 80;
  SgdTerm<T> term[most];
  int end[most];
  int count;
  T rate;
  const T* rate_there;  ///< in place of it, if not null
  T momentum;
  bool nesterov, empties;
};

/// The step of core/momentum.hpp, for V elements of a parameter from `i` on.
template <int V, class T>
__device__ __forceinline__ void update(const SgdTerm<T>& term, std::int64_t i, T rate, T momentum,
                                       bool nesterov, bool empties) {
  Pack<T, V> value = load<V>(term.value + i), velocity = load<V>(term.velocity + i);
  Pack<T, V> gradient = load<V>(static_cast<const T*>(term.gradient) + i);
  for (int k = 0; k < V; ++k) {
    const T slope = gradient.v[k] + term.decay * value.v[k];
    velocity.v[k] = momentum * velocity.v[k] + slope;
    value.v[k] -= rate * (nesterov ? slope + momentum * velocity.v[k] : velocity.v[k]);
    gradient.v[k] = 0;
  }
  store<V>(term.velocity + i, velocity);
  store<V>(term.value + i, value);
  if (empties) store<V>(term.gradient + i, gradient);
}

template <class T, int V>
__global__ void __launch_bounds__(block_threads)
    sgd_kernel(const __grid_constant__ SgdTerms<T> all) {
  const int block = static_cast<int>(blockIdx.x);
  int t = 0;
  while (block >= all.end[t]) ++t;
  const SgdTerm<T> term = all.term[t];  // a copy, or stores would not be of 128 bits
  const std::int64_t begin =
      static_cast<std::int64_t>(block - (t == 0 ? 0 : all.end[t - 1])) * elements_a_block;
  const std::int64_t end =
      begin + elements_a_block < term.count ? begin + elements_a_block : term.count;
  const T rate = all.rate_there ? gpu::load(all.rate_there) : all.rate;
  for (std::int64_t i = begin + static_cast<int>(threadIdx.x) * V; i < end; i += block_threads * V)
    if (i + V <= end)
      update<V>(term, i, rate, all.momentum, all.nesterov, all.empties);
    else
      for (std::int64_t last = i; last < end; ++last)
        update<1>(term, last, rate, all.momentum, all.nesterov, all.empties);
}

namespace {

template <class T>
bool is_aligned(const SgdTerm<T>& term) {
  const auto bits = [](const T* data) { return reinterpret_cast<std::uintptr_t>(data); };
  return ((bits(term.value) | bits(term.gradient) | bits(term.velocity)) & 15) == 0;
}

}  // namespace

template <class T>
void sgd_update(Context& on, std::span<const SgdTerm<T>> terms, T rate, const T* rate_there,
                Momentum momentum, bool empties) {
  while (!terms.empty()) {
    SgdTerms<T> all{.rate = rate,
                    .rate_there = rate_there,
                    .momentum = static_cast<T>(momentum.factor),
                    .nesterov = momentum.nesterov,
                    .empties = empties};
    const auto part = terms.first(std::min<std::size_t>(terms.size(), SgdTerms<T>::most));
    terms = terms.subspan(part.size());
    int blocks = 0;
    for (const SgdTerm<T>& term : part) {
      blocks += static_cast<int>((term.count + elements_a_block - 1) / elements_a_block);
      all.term[all.count] = term;
      all.end[all.count++] = blocks;
    }
    if (blocks == 0) continue;
    in_packs<T>(std::all_of(part.begin(), part.end(), is_aligned<T>), [&]<int V>() {
      gpu::launch(
          sgd_kernel<T, V>,
          {dim3(static_cast<unsigned>(blocks)), dim3(block_threads), on.stream(), "sgd_update"},
          all);
    });
    check_launch("sgd_update");
  }
}

template void sgd_update<float>(Context&, std::span<const SgdTerm<float>>, float, const float*,
                                Momentum, bool);
template void sgd_update<double>(Context&, std::span<const SgdTerm<double>>, double, const double*,
                                 Momentum, bool);

}  // namespace retrace::kernels
