// The device on which convolutions are tested: the host, or another library on the host.
#pragma once

#include "retrace/cpu/conv_backend.hpp"

namespace retrace::test {

/// Returns the convolutions under test; null means the device's own kernels. support/ defines it
/// for all tests; a program that tests another backend defines it again.
ConvolutionBackend* tested_convolutions();

struct ConvDevice : Cpu {
  explicit ConvDevice(int threads) : Cpu(threads) { set_convolutions(tested_convolutions()); }
};

}  // namespace retrace::test
