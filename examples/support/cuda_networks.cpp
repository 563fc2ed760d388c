#include "cuda_networks.hpp"

namespace retrace {
template Chain<float, Cuda> build<float, Cuda>(Cuda&, Architecture, const NetOptions&);
}  // namespace retrace
