// The tests' interface to the emulator: options, counts, errors found, and calls made to fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace emulator {

struct Options {
  unsigned seed = 0;     ///< shuffles threads, warps and blocks; 0 keeps them in order
  bool deferred = true;  ///< operations run when a stream is waited for, not when called
  bool guard = true;     ///< host code cannot access device memory
  bool trace = false;    ///< also count sectors per source line, which is slow
  std::size_t memory = std::size_t{8} << 30;  ///< bytes of device memory
};

/// Returns the options. The seed is initially that of EMULATOR_SEED.
Options& options();

/// The bytes that the kernels of a name access in one direction.
struct Traffic {
  std::uint64_t bytes = 0;         ///< by load and store
  std::uint64_t sectors = 0;       ///< 32-byte sectors, each once per warp and access; trace only
  std::uint64_t unique_bytes = 0;  ///< each sector once per launch; trace only
};

struct LineStats {
  std::string where;  ///< "sums.cuh:42"
  bool write;
  std::uint64_t requests = 0;  ///< by warps
  std::uint64_t bytes = 0, sectors = 0;
};

struct KernelStats {
  std::string name;
  std::uint64_t launches = 0, threads = 0;
  Traffic read, write;
  std::size_t shared_bytes = 0;  ///< largest of any block
  double seconds = 0;
  std::vector<LineStats> lines;  ///< trace only
};

const std::vector<KernelStats>& stats();
const KernelStats& stats(const std::string& kernel);
void reset_stats();

struct Memory {
  std::size_t live = 0, peak = 0, allocations = 0;
  std::size_t to_device = 0, to_host = 0, on_device = 0;  ///< bytes copied
};

Memory memory();
bool is_device_pointer(const void* pointer);

/// Returns whether [pointer, pointer + bytes) is inside one live allocation.
bool is_live(const void* pointer, std::size_t bytes);

/// Returns a description of every remaining allocation, stream, event, graph and handle.
std::vector<std::string> leaks();

/// Counts objects of a kind for leaks().
void add_object(const std::string& kind);
void remove_object(const std::string& kind);

/// Returns and clears reports of misuse that has no status, such as a free of a dead pointer.
std::vector<std::string> take_reports();
void report(const std::string& what);

/// Makes the `nth` next call (from 1) of a function return `status` and do nothing else. The launch
/// of a kernel is a call of "cudaLaunchKernel".
void fail_call(const std::string& function, int nth, int status);
void fail_no_call();

/// Returns how often each function was called since the last reset.
const std::map<std::string, int>& calls();
void reset_calls();

/// Counts a call. Returns the status that it must fail with, or 0. For doubles of libraries.
int begin_call(const char* function);

/// Scope guard that lets host code access device memory. For doubles of libraries.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace emulator
