// The most arithmetic that the machine can do.
#pragma once

namespace benchmark {

/// GFLOP/s of fused multiply-adds between registers, two operations each, on `threads` threads at
/// once: measured for about a tenth of a second, with the vectors this program is compiled for.
double measure_peak(int threads);

}  // namespace benchmark
