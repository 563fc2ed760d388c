// The device that a program trains on: there is one program for each, made of the same sources.
#pragma once

#include <string>

#ifdef TRAIN_ON_CUDA
#include "retrace/cuda.hpp"

using Device = retrace::Cuda;
using DryDevice = retrace::DryCuda;
inline constexpr const char* device_kind = "cuda";

/// @param precision  of convolutions: "float", "tf32", "half" or "bfloat16"
inline Device make_device(int, const std::string& precision) {
  using enum retrace::ConvolutionType;
  const auto type = precision == "tf32"       ? tf32
                    : precision == "half"     ? half
                    : precision == "bfloat16" ? bfloat16
                                              : float32;
  return Device(0, {.convolutions = type});
}
inline std::string describe(const Device& device) { return device.name(); }
/// None that results depend on.
inline int threads_of(const Device&) { return 0; }
#else
#include "float_networks.hpp"

using Device = retrace::Cpu;
using DryDevice = retrace::Dry;
inline constexpr const char* device_kind = "cpu";

/// @param threads  0: as many as OpenMP takes
inline Device make_device(int threads, const std::string&) { return Device(threads); }
inline std::string describe(const Device& device) {
  return "threads " + std::to_string(device.threads());
}
inline int threads_of(const Device& device) { return device.threads(); }
#endif
