// Reproducible tensors and their values, shared with the library's checks.
#pragma once

#include "retrace/check/values.hpp"

namespace retrace::test {

using check::assign;
using check::distance_in_roundings;
using check::dot;
using check::largest;
using check::normal;
using check::normal_values;
using check::relative_distance;
using check::same_bits;
using check::spread;
using check::tensor;
using check::Values;
using check::values;

}  // namespace retrace::test
