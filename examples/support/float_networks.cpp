#include "float_networks.hpp"

namespace retrace {
RETRACE_FLOAT_NETWORKS()
}  // namespace retrace
