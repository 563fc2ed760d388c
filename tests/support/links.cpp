#include "support/links.hpp"

namespace retrace::inline RETRACE_ISA {
RETRACE_TEST_LINKS(, float)
RETRACE_TEST_LINKS(, double)
}  // namespace retrace::inline RETRACE_ISA
