// CUDA runtime: memory and copies.
#include <cstdlib>
#include <cstring>

#include "cuda/emulator/device_memory.hpp"
#include "cuda/emulator/launch.hpp"
#include "cuda/emulator/location.hpp"
#include "cuda/emulator/runtime.hpp"
#include "cuda/emulator/streams.hpp"

namespace emulator {
namespace {

/// Rows of bytes with a pitch.
struct Rows {
  std::size_t width, height;

  std::size_t span(std::size_t pitch) const {
    return height == 0 ? 0 : (height - 1) * pitch + width;
  }
};

void check_direction(cudaMemcpyKind kind, bool to_device, bool from_device) {
  if (kind == cudaMemcpyDefault) return;
  const bool says_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool says_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (says_to != to_device || says_from != from_device)
    throw Error("the kind of a copy does not match its pointers");
}

void copy(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, Rows rows,
          cudaMemcpyKind kind) {
  auto& memory = device_memory();
  const bool to_device = memory.owns(to), from_device = memory.owns(from);
  check_direction(kind, to_device, from_device);
  if ((to_device && !memory.is_live(to, rows.span(to_pitch))) ||
      (from_device && !memory.is_live(from, rows.span(from_pitch))))
    throw Error("a copy of " + std::to_string(rows.width) + " x " + std::to_string(rows.height) +
                " bytes goes beyond a device allocation");
  Memory& counters = memory.counters;
  std::size_t& counter = to_device && from_device ? counters.on_device
                         : to_device              ? counters.to_device
                                                  : counters.to_host;
  counter += rows.width * rows.height;
  const DeviceAccess access;
  for (std::size_t row = 0; row < rows.height; ++row)
    std::memmove(static_cast<char*>(to) + row * to_pitch,
                 static_cast<const char*>(from) + row * from_pitch, rows.width);
}

void set(void* to, std::size_t pitch, int value, Rows rows) {
  if (!is_live(to, rows.span(pitch))) throw Error("a memset goes beyond a device allocation");
  const DeviceAccess access;
  for (std::size_t row = 0; row < rows.height; ++row)
    std::memset(static_cast<char*>(to) + row * pitch, value, rows.width);
}

cudaError_t allocate(void** pointer, std::size_t bytes, const char* by) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  *pointer = device_memory().allocate(bytes, by);
  return answer(*pointer == nullptr ? cudaErrorMemoryAllocation : cudaSuccess);
}

/// Each launch makes a graph's allocation at the same address when its turn comes.
cudaError_t record_allocation(Recording& recording, void** pointer, std::size_t bytes) {
  *pointer = device_memory().reserve(bytes);
  if (*pointer == nullptr) return answer(cudaErrorMemoryAllocation);
  recording.allocations.push_back(*pointer);
  recording.operations.push_back([where = *pointer, bytes] {
    if (is_live(where, 0)) throw Error("a graph repeats an allocation that was not freed");
    device_memory().revive(where, bytes, "a graph");
  });
  return cudaSuccess;
}

void release(void* pointer, const char* by) {
  if (!device_memory().release(pointer))
    report(std::string(by) + " of a pointer that is not (or no longer) allocated");
}

}  // namespace
}  // namespace emulator

using namespace emulator;

extern "C" {

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
  if (const auto status = begin_waiting(__func__)) return status;
  return allocate(pointer, bytes, __func__);
}

cudaError_t cudaFree(void* pointer) {
  if (const auto status = begin_waiting(__func__)) return status;
  synchronise_all();
  if (pointer == nullptr) return cudaSuccess;
  const bool live = is_live(pointer, 0);
  release(pointer, __func__);
  return answer(live ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocAsync(void** pointer, std::size_t bytes, cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  if (const auto& recording = resolve(stream).recording; recording && bytes > 0)
    return record_allocation(*recording, pointer, bytes);
  if (memory().live + bytes > options().memory) synchronise_all();  // frees may be pending
  return allocate(pointer, bytes, __func__);
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  if (pointer != nullptr) enqueue(stream, [pointer] { release(pointer, "cudaFreeAsync"); });
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
  if (const auto status = begin(__func__)) return status;
  *pointer = std::malloc(bytes);
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
  if (const auto status = begin(__func__)) return status;
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (const auto status = begin_waiting(__func__)) return status;
  synchronise(resolve(nullptr));
  copy(to, bytes, from, bytes, {bytes, 1}, kind);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  enqueue(stream, [=] { copy(to, bytes, from, bytes, {bytes, 1}, kind); });
  return cudaSuccess;
}

cudaError_t cudaMemcpy2D(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                         std::size_t width, std::size_t height, cudaMemcpyKind kind) {
  if (const auto status = begin_waiting(__func__)) return status;
  if (width > to_pitch || width > from_pitch) return answer(cudaErrorInvalidPitchValue);
  synchronise(resolve(nullptr));
  copy(to, to_pitch, from, from_pitch, {width, height}, kind);
  return cudaSuccess;
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind kind, cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  if (width > to_pitch || width > from_pitch) return answer(cudaErrorInvalidPitchValue);
  enqueue(stream, [=] { copy(to, to_pitch, from, from_pitch, {width, height}, kind); });
  return cudaSuccess;
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  if (const auto status = begin_waiting(__func__)) return status;
  synchronise(resolve(nullptr));
  set(to, bytes, value, {bytes, 1});
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  enqueue(stream, [=] { set(to, bytes, value, {bytes, 1}); });
  return cudaSuccess;
}

cudaError_t cudaMemset2DAsync(void* to, std::size_t pitch, int value, std::size_t width,
                              std::size_t height, cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  if (width > pitch) return answer(cudaErrorInvalidPitchValue);
  enqueue(stream, [=] { set(to, pitch, value, {width, height}); });
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  if (const auto status = begin(__func__)) return status;
  *total = options().memory;
  *free = *total - memory().live;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  if (const auto status = begin(__func__)) return status;
  static char only;
  *pool = reinterpret_cast<cudaMemPool_t>(&only);
  return cudaSuccess;
}

// Memory comes from one pool that retains nothing, so its attributes have no effect.

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) {
  return begin(__func__);
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, std::size_t) { return begin(__func__); }

}  // extern "C"
