// Two units of one program, compiled for different instruction sets: each runs its own code, and
// they agree. An argument leaves out the unit that this processor may not be able to run.
#include <cmath>
#include <iostream>

#include "unit.hpp"

namespace {

bool close(double a, double b) { return std::abs(a - b) <= 1e-4 * (1 + std::abs(b)); }

bool agree(const Answer& a, const Answer& b) {
  for (std::size_t i = 0; i < a.losses.size(); ++i)
    if (!close(a.losses[i], b.losses[i])) return false;
  for (std::size_t i = 0; i < a.first_image.size(); ++i)
    if (!close(a.first_image[i], b.first_image[i])) return false;
  return a.losses.size() == 3 && !a.first_image.empty();
}

void print(const Answer& answer) {
  std::cout << answer.instruction_set << ", vectors of " << answer.vector_bytes << " bytes: losses";
  for (double loss : answer.losses) std::cout << ' ' << loss;
  std::cout << '\n';
}

}  // namespace

int main(int count, char**) {
  const Answer baseline = answer_of_baseline();
  print(baseline);
  if (baseline.instruction_set != "baseline" || baseline.vector_bytes != 16) return 1;
  if (count > 1 || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
  const Answer avx2 = answer_of_avx2();
  print(avx2);
  if (avx2.instruction_set != "avx2" || avx2.vector_bytes != 32) return 2;
  return agree(baseline, avx2) ? 0 : 3;
}
