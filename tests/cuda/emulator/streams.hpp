// Streams, events and graphs. Operations stay in the queue of their stream until host code waits
// for it, so a missing synchronisation gives wrong results.
//
// Only events order two streams. Unlike in CUDA, the null stream does not.
#pragma once

#include <cuda_runtime.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace emulator {

using Operation = std::function<void()>;

/// The operations put on a stream during a capture.
struct Recording {
  std::vector<Operation> operations;
  std::vector<void*> allocations;   ///< addresses reserved for operations
  cudaError_t error = cudaSuccess;  ///< a call that cannot be captured

  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording();
};

}  // namespace emulator

// Declared by NVIDIA's headers.

struct CUstream_st {
  std::deque<emulator::Operation> queue;
  bool running = false;
  std::shared_ptr<emulator::Recording> recording;
};

struct CUevent_st {
  struct Record {
    CUstream_st* stream;
    bool reached = false;
    std::chrono::steady_clock::time_point when{};
  };
  std::shared_ptr<Record> last;
};

struct CUgraph_st {
  std::shared_ptr<emulator::Recording> recording;
};
struct CUgraphExec_st {
  std::shared_ptr<emulator::Recording> recording;
};

namespace emulator {

CUstream_st& resolve(cudaStream_t stream);
cudaStream_t add_stream();
void remove_stream(cudaStream_t stream);

/// Returns whether any stream is being captured. Calls that wait are errors then.
bool capturing();

/// Runs the queue of a stream.
void synchronise(CUstream_st& stream);
void synchronise_all();

void record(CUevent_st& event, cudaStream_t stream);
void wait(const CUevent_st& event, cudaStream_t stream);

}  // namespace emulator
