// The PTX of the library's kernels, compiled by nvcc.
#pragma once

#include <string>
#include <vector>

namespace retrace::test {

/// The compute capabilities for which there is PTX.
inline constexpr int architectures[] = {75, 80, 90, 120};

/// Returns the PTX of every source of kernels/ for a compute capability; 80 means sm_80.
std::vector<std::string> ptx_of_kernels(int architecture);

}  // namespace retrace::test
