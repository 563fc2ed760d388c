#include "support/operations.hpp"

namespace retrace {
RETRACE_TEST_OPERATIONS(, float)
RETRACE_TEST_OPERATIONS(, double)
}  // namespace retrace
