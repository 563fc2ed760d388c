// The peak arithmetic rate of the machine.
#pragma once

namespace benchmark {

/// Returns GFLOP/s of fused multiply-adds between registers, two operations each, on `threads`
/// threads. Measures for about 0.1 s, with the vectors that this program is compiled for.
double measure_peak(int threads);

}  // namespace benchmark
