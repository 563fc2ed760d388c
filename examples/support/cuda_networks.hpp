// The networks in float on a GPU: compiled once for all programs, as float_networks.hpp has those
// of the host.
#pragma once

#include "retrace/cuda.hpp"

namespace retrace {
extern template Chain<float, Cuda> build<float, Cuda>(Cuda&, Architecture, const NetOptions&);
}  // namespace retrace
