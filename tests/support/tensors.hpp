// Reproducible tensors and their values, shared with the library's checks.
#pragma once

#include "retrace/check/values.hpp"

namespace retrace::test {

using contract::assign;
using contract::distance_in_roundings;
using contract::dot;
using contract::gradient_distance;
using contract::largest;
using contract::normal;
using contract::normal_values;
using contract::relative_distance;
using contract::same_bits;
using contract::spread;
using contract::tensor;
using contract::Values;
using contract::values;

}  // namespace retrace::test
