// Optimizer updates, with as many parameters per launch as its arguments can hold.
#include <algorithm>
#include <cmath>

#include "launches.cuh"
#include "retrace/math/update.hpp"

namespace retrace::kernels {

inline constexpr int elements_a_block = 16 * block_threads;

/// The arguments of a launch, at most 4 KB. The blocks of parameter t end before end[t].
template <class T, class Step>
struct UpdateTerms {
  static constexpr int most = 72;
  UpdateTerm<T> term[most];
  int end[most];
  int count;
  T rate;
  const T* rate_there;  ///< replaces `rate` if not null
  math::Update<T, Step> update;
  bool empties;
};

/// Applies a step of core/update.hpp to V elements of a parameter, starting at `i`.
template <int V, class T, class Update>
__device__ __forceinline__ void update(const UpdateTerm<T>& term, std::int64_t i, T rate,
                                       const Update& step, bool empties) {
  Pack<T, V> value = load<V>(term.value + i), first = load<V>(term.first + i), second = first;
  if constexpr (Update::moments > 1) second = load<V>(term.second + i);
  Pack<T, V> gradient = load<V>(static_cast<const T*>(term.gradient) + i);
  for (int k = 0; k < V; ++k) {
    step(value.v[k], gradient.v[k], first.v[k], second.v[k], rate, term.decay,
         [](T x) { return sqrt(x); });
    gradient.v[k] = 0;
  }
  store<V>(term.first + i, first);
  if constexpr (Update::moments > 1) store<V>(term.second + i, second);
  store<V>(term.value + i, value);
  if (empties) store<V>(term.gradient + i, gradient);
}

template <class T, class Step, int V>
__global__ void __launch_bounds__(block_threads)
    update_kernel(const __grid_constant__ UpdateTerms<T, Step> all) {
  const int block = static_cast<int>(blockIdx.x);
  int t = 0;
  while (block >= all.end[t]) ++t;
  const UpdateTerm<T> term = all.term[t];  // a copy, so that stores have 128 bits
  const std::int64_t begin =
      static_cast<std::int64_t>(block - (t == 0 ? 0 : all.end[t - 1])) * elements_a_block;
  const std::int64_t end =
      begin + elements_a_block < term.count ? begin + elements_a_block : term.count;
  const T rate = all.rate_there ? gpu::load(all.rate_there) : all.rate;
  for (std::int64_t i = begin + static_cast<int>(threadIdx.x) * V; i < end; i += block_threads * V)
    if (i + V <= end)
      update<V>(term, i, rate, all.update, all.empties);
    else
      for (std::int64_t last = i; last < end; ++last)
        update<1>(term, last, rate, all.update, all.empties);
}

namespace {

template <class T>
bool is_aligned(const UpdateTerm<T>& term) {
  const auto bits = [](const T* data) { return reinterpret_cast<std::uintptr_t>(data); };
  return ((bits(term.value) | bits(term.gradient) | bits(term.first) | bits(term.second)) & 15) ==
         0;
}

}  // namespace

template <class T, class Step>
void update_parameters(Context& on, std::span<const UpdateTerm<T>> terms, T rate,
                       const T* rate_there, const Step& step, bool empties) {
  using Terms = UpdateTerms<T, Step>;
  static_assert(sizeof(Terms) <= 4096);
  while (!terms.empty()) {
    Terms all{.rate = rate,
              .rate_there = rate_there,
              .update = math::Update<T, Step>(step),
              .empties = empties};
    const auto part = terms.first(std::min<std::size_t>(terms.size(), Terms::most));
    terms = terms.subspan(part.size());
    int blocks = 0;
    for (const UpdateTerm<T>& term : part) {
      blocks += static_cast<int>((term.count + elements_a_block - 1) / elements_a_block);
      all.term[all.count] = term;
      all.end[all.count++] = blocks;
    }
    if (blocks == 0) continue;
    in_packs<T>(std::all_of(part.begin(), part.end(), is_aligned<T>), [&]<int V>() {
      gpu::launch(update_kernel<T, Step, V>,
                  {dim3(static_cast<unsigned>(blocks)), dim3(block_threads), on.stream(),
                   "update_parameters"},
                  all);
    });
    check_launch("update_parameters");
  }
}

// clang-format off
#define RETRACE_UPDATE(T, Step)                                                                   \
  template void update_parameters<T, Step>(Context&, std::span<const UpdateTerm<T>>, T,           \
                                           const T*, const Step&, bool);
// clang-format on
RETRACE_UPDATE(float, Momentum)
RETRACE_UPDATE(double, Momentum)
RETRACE_UPDATE(float, AdamStep)
RETRACE_UPDATE(double, AdamStep)
RETRACE_UPDATE(float, LionStep)
RETRACE_UPDATE(double, LionStep)

}  // namespace retrace::kernels
