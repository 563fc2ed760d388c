// Replaces cudnn.cpp in builds without cuDNN.
#include "convolution_library.hpp"

namespace retrace::kernels {

std::unique_ptr<ConvolutionLibrary> make_convolution_library(cudaStream_t, int,
                                                             const ContextOptions&) {
  return nullptr;
}

}  // namespace retrace::kernels
