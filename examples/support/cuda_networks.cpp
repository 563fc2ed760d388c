#include "cuda_networks.hpp"

namespace retrace::inline RETRACE_ISA {
RETRACE_COMPILED_NETWORKS(, float, Cuda)
}  // namespace retrace::inline RETRACE_ISA
