// The networks in float on a GPU, compiled once for all programs like those of the host in
// float_networks.hpp.
#pragma once

#include "retrace/cuda.hpp"

namespace retrace {
extern template Chain<float, Cuda> build<float, Cuda>(Cuda&, Architecture, const NetOptions&);
}  // namespace retrace
