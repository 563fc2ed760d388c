// Compiled by nvcc to PTX.
#include "kernels.cuh"

template __global__ void ptx::test::scale<float>(const float*, float*, std::int64_t, float);
template __global__ void ptx::test::scale<double>(const double*, double*, std::int64_t, double);
template __global__ void ptx::test::sum<true>(const float*, float*);
template __global__ void ptx::test::sum<false>(const float*, float*);
