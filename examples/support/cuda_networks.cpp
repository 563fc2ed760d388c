#include "cuda_networks.hpp"

namespace retrace {
template Chain<Float, Cuda> build<Float, Cuda>(Cuda&, Architecture, const NetOptions&);
}  // namespace retrace
