#include "float_networks.hpp"

namespace retrace::inline RETRACE_ISA {
RETRACE_COMPILED_NETWORKS(, float, Cpu)
RETRACE_FLOAT_CONVOLUTIONS()
}  // namespace retrace::inline RETRACE_ISA
