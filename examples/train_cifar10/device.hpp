// The device that a program trains on: there is one program for each, made of the same sources.
#pragma once

#include <string>

#ifdef TRAIN_ON_CUDA
#include "retrace/cuda.hpp"

using Device = retrace::Cuda;
using DryDevice = retrace::DryCuda;
inline constexpr const char* device_kind = "cuda";

inline Device make_device(int) { return Device(); }
inline std::string describe(const Device& device) { return device.name(); }
/// None that results depend on.
inline int threads_of(const Device&) { return 0; }
#else
#include "float_networks.hpp"

using Device = retrace::Cpu;
using DryDevice = retrace::Dry;
inline constexpr const char* device_kind = "cpu";

/// @param threads  0: as many as OpenMP takes
inline Device make_device(int threads) { return Device(threads); }
inline std::string describe(const Device& device) {
  return "threads " + std::to_string(device.threads());
}
inline int threads_of(const Device& device) { return device.threads(); }
#endif
