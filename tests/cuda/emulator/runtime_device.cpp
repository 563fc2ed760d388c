// CUDA runtime: the device and errors.
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>

#include "cuda/emulator/control.hpp"
#include "cuda/emulator/runtime.hpp"

namespace {

using emulator::answer;
using emulator::begin;

constexpr int multiprocessors = 8;  // few, to keep grids that depend on it small

int attribute(cudaDeviceAttr which) {
  switch (which) {
    case cudaDevAttrMaxThreadsPerBlock:
      return 1024;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return 2048;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return 48 * 1024;
    case cudaDevAttrWarpSize:
      return 32;
    case cudaDevAttrMultiProcessorCount:
      return multiprocessors;
    case cudaDevAttrComputeCapabilityMajor:
      return 9;
    case cudaDevAttrComputeCapabilityMinor:
      return 0;
    case cudaDevAttrMemoryPoolsSupported:
      return 1;
    case cudaDevAttrClockRate:
      return 1'000'000;
    case cudaDevAttrMemoryClockRate:
      return 1'000'000;
    case cudaDevAttrGlobalMemoryBusWidth:
      return 1024;
    case cudaDevAttrL2CacheSize:
      return 4 << 20;
    default:
      return -1;
  }
}

struct Named {
  const char *name, *text;
};

Named described(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return {"cudaSuccess", "no error"};
    case cudaErrorInvalidValue:
      return {"cudaErrorInvalidValue", "invalid argument"};
    case cudaErrorMemoryAllocation:
      return {"cudaErrorMemoryAllocation", "out of memory"};
    case cudaErrorInvalidConfiguration:
      return {"cudaErrorInvalidConfiguration", "invalid configuration argument"};
    case cudaErrorInvalidDevice:
      return {"cudaErrorInvalidDevice", "invalid device ordinal"};
    case cudaErrorNoDevice:
      return {"cudaErrorNoDevice", "no CUDA-capable device is detected"};
    case cudaErrorInsufficientDriver:
      return {"cudaErrorInsufficientDriver", "CUDA driver version is insufficient"};
    case cudaErrorStubLibrary:
      return {"cudaErrorStubLibrary", "CUDA driver is a stub library"};
    case cudaErrorNotReady:
      return {"cudaErrorNotReady", "device not ready"};
    case cudaErrorIllegalAddress:
      return {"cudaErrorIllegalAddress", "an illegal memory access was encountered"};
    case cudaErrorLaunchFailure:
      return {"cudaErrorLaunchFailure", "unspecified launch failure"};
    case cudaErrorStreamCaptureUnsupported:
      return {"cudaErrorStreamCaptureUnsupported", "operation not permitted during capture"};
    case cudaErrorStreamCaptureInvalidated:
      return {"cudaErrorStreamCaptureInvalidated", "operation failed during capture"};
    default:
      return {"cudaErrorUnknown", "unknown error"};
  }
}

}  // namespace

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  if (const auto status = begin(__func__)) return status;
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  if (const auto status = begin(__func__)) return status;
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (const auto status = begin(__func__)) return status;
  return answer(device == 0 ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device) {
  if (const auto status = begin(__func__)) return status;
  if (device != 0) return answer(cudaErrorInvalidDevice);
  *value = attribute(which);
  return answer(*value >= 0 ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (const auto status = begin(__func__)) return status;
  if (device != 0) return answer(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "an emulated device");
  properties->major = attribute(cudaDevAttrComputeCapabilityMajor);
  properties->minor = attribute(cudaDevAttrComputeCapabilityMinor);
  properties->totalGlobalMem = emulator::options().memory;
  properties->multiProcessorCount = multiprocessors;
  properties->maxThreadsPerBlock = attribute(cudaDevAttrMaxThreadsPerBlock);
  properties->maxThreadsPerMultiProcessor = attribute(cudaDevAttrMaxThreadsPerMultiProcessor);
  properties->sharedMemPerBlock =
      static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlock));
  properties->warpSize = 32;
  properties->memoryBusWidth = attribute(cudaDevAttrGlobalMemoryBusWidth);
  properties->l2CacheSize = attribute(cudaDevAttrL2CacheSize);
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  if (const auto status = begin(__func__)) return status;
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  if (const auto status = begin(__func__)) return status;
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() { return emulator::take_last_error(); }
cudaError_t cudaPeekAtLastError() { return emulator::peek_last_error(); }
const char* cudaGetErrorName(cudaError_t error) { return described(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return described(error).text; }

}  // extern "C"
