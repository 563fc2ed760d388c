#include "support/contract.hpp"

namespace retrace::check {
RETRACE_TEST_CONTRACT_IN_BOTH()
}  // namespace retrace::check
