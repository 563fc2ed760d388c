// The device on which convolutions are tested: the host, or another library on it.
#pragma once

#include "retrace/cpu/conv_backend.hpp"

namespace retrace::test {

/// Computes the convolutions under test; null stands for the device's own kernels. Defined by
/// support/ for all tests, and again by a program that tests another backend.
ConvolutionBackend* tested_convolutions();

struct ConvDevice : Cpu {
  explicit ConvDevice(int threads) : Cpu(threads) { set_convolutions(tested_convolutions()); }
};

}  // namespace retrace::test
