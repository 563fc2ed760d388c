#include "support/contract.hpp"

namespace retrace::contract {
RETRACE_TEST_CONTRACT_IN_BOTH()
}  // namespace retrace::contract
