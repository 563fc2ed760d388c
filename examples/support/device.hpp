// The device of a program. Each device has its own program, built from the same sources.
#pragma once

#include <string>
#include <string_view>

#ifdef RUN_ON_CUDA
#include "cuda_networks.hpp"

using Device = retrace::Cuda;

inline constexpr std::string_view device_kind = "cuda";

/// @param precision  of convolutions: "float", "tf32", "half" or "bfloat16"
inline Device make_device(int = 0, const std::string& precision = "float") {
  using enum retrace::ConvolutionType;
  const auto type = precision == "tf32"       ? tf32
                    : precision == "half"     ? half
                    : precision == "bfloat16" ? bfloat16
                                              : float32;
  return Device(0, {.convolutions = type});
}
inline Device make_dry_device(int = 0) { return Device::dry_device(); }
inline std::string describe(const Device& device) { return device.name(); }
/// Returns 0: results do not depend on threads.
inline int threads_of(const Device&) { return 0; }
/// Waits until all operations are finished.
inline void finish(Device& device) { device.synchronize(); }
#else
#include "float_networks.hpp"

using Device = retrace::Cpu;

inline constexpr std::string_view device_kind = "cpu";

/// @param threads  the number of threads; 0 means one per processor
inline Device make_device(int threads = 0, const std::string& = "float") { return Device(threads); }
inline Device make_dry_device(int threads = 0) { return Device::dry_device(threads); }
inline std::string describe(const Device& device) {
  return "threads " + std::to_string(device.threads());
}
inline int threads_of(const Device& device) { return device.threads(); }
/// Does nothing: every operation is finished when it returns.
inline void finish(Device&) {}
#endif
