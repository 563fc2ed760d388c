// The PTX that nvcc made of the library's kernels.
#pragma once

#include <string>
#include <vector>

namespace retrace::test {

/// The compute capabilities that there is PTX for.
inline constexpr int architectures[] = {75, 80, 90, 120};

/// The PTX of every source of kernels/ for a compute capability: 80 is that of sm_80.
std::vector<std::string> ptx_of_kernels(int architecture);

}  // namespace retrace::test
