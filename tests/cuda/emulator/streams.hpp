// Streams, events and graphs: operations wait in the queue of their stream until host code waits
// for it, so that a missing synchronisation gives wrong answers.
//
// Nothing orders two streams but events, not even the null stream: less than CUDA promises.
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

/// What a stream was asked for while it was captured.
struct Recording {
  std::vector<Operation> operations;
  std::vector<void*> allocations;   ///< addresses reserved for them
  cudaError_t error = cudaSuccess;  ///< a call that cannot be captured

  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording();
};

}  // namespace emulator

// NVIDIA's headers declare these.

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

/// Whether any stream is captured, when calls that wait are errors.
bool capturing();

/// Runs what is in the queue.
void synchronise(CUstream_st& stream);
void synchronise_all();

void record(CUevent_st& event, cudaStream_t stream);
void wait(const CUevent_st& event, cudaStream_t stream);

}  // namespace emulator
