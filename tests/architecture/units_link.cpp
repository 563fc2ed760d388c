// Includes everything beside the units that include one header each (see CMakeLists.txt): that
// they link is the test.
#include "retrace/retrace.hpp"

int main() { return retrace::vector_bytes > 0 ? 0 : 1; }
