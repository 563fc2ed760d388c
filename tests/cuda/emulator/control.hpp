// What tests ask of the emulator: how it runs, what it counted, what it found, which calls fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace emulator {

struct Options {
  unsigned seed = 0;     ///< 0: threads, warps and blocks in order; else shuffled by it
  bool deferred = true;  ///< a stream runs when something waits for it, not when it is called
  bool guard = true;     ///< device memory cannot be touched by host code
  bool trace = false;    ///< count sectors and lines of source too, which is slow
  std::size_t memory = std::size_t{8} << 30;  ///< bytes that the device has
};

/// The seed is first taken from EMULATOR_SEED.
Options& options();

/// Bytes that the kernels of a name asked for in one direction.
struct Traffic {
  std::uint64_t bytes = 0;         ///< by load and store
  std::uint64_t sectors = 0;       ///< 32-byte sectors, each once a warp and access; trace only
  std::uint64_t unique_bytes = 0;  ///< of different sectors, each once a launch; trace only
};

struct LineStats {
  std::string where;  ///< "sums.cuh:42"
  bool write;
  std::uint64_t requests = 0;  ///< by a warp
  std::uint64_t bytes = 0, sectors = 0;
};

struct KernelStats {
  std::string name;
  std::uint64_t launches = 0, threads = 0;
  Traffic read, write;
  std::size_t shared_bytes = 0;  ///< of a block, the most
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

/// Whether [pointer, pointer + bytes) is inside one live allocation.
bool is_live(const void* pointer, std::size_t bytes);

/// What is still there of allocations, streams, events, graphs and handles, a sentence each.
std::vector<std::string> leaks();

/// Counts objects of a kind that leaks() tells of.
void add_object(const std::string& kind);
void remove_object(const std::string& kind);

/// Misuse that has no status to be told by, such as a free of what is not live; forgotten then.
std::vector<std::string> take_reports();
void report(const std::string& what);

/// Lets the `nth` next call (from 1) of a function answer `status` and do nothing else. A launch of
/// a kernel is a call of "cudaLaunchKernel".
void fail_call(const std::string& function, int nth, int status);
void fail_no_call();

/// How often each function was called since the last reset.
const std::map<std::string, int>& calls();
void reset_calls();

/// Counts a call; the status that it was told to fail with, or 0. For doubles of libraries.
int begin_call(const char* function);

/// While one lives, host code may touch device memory. For doubles of libraries.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace emulator
