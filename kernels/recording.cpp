// Work of the stream that is recorded once, as a CUDA graph, and launched repeatedly.
#include "context.hpp"

namespace retrace::kernels {

class Recording {
 public:
  explicit Recording(cudaGraph_t graph) {
    check(cudaGraphInstantiate(&executable_, graph, 0), "cudaGraphInstantiate");
  }
  ~Recording() {
    cudaGraphExecDestroy(executable_);
    cudaGetLastError();  // clears the error, which the next launch would report
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  void launch(cudaStream_t stream) {
    check(cudaGraphLaunch(executable_, stream), "cudaGraphLaunch");
  }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

void begin_recording(Context& on) {
  synchronize(on);
  // A graph has its own memory, so release the pool's unused memory first.
  cudaMemPool_t pool = nullptr;
  check(cudaDeviceGetDefaultMemPool(&pool, on.device()), "cudaDeviceGetDefaultMemPool");
  check(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo");
  check(cudaStreamBeginCapture(on.stream(), cudaStreamCaptureModeThreadLocal),
        "cudaStreamBeginCapture");
}

Recording* end_recording(Context& on) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(on.stream(), &graph), "cudaStreamEndCapture");
  try {
    check(on.take_kept(), "cudaFreeAsync");
    Recording* made = new Recording(graph);
    cudaGraphDestroy(graph);
    return made;
  } catch (...) {
    cudaGraphDestroy(graph);
    throw;
  }
}

void drop_recording(Context& on) noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(on.stream(), &graph);
  if (graph) cudaGraphDestroy(graph);
  on.take_kept();      // errors of operations that were only recorded
  cudaGetLastError();  // otherwise the next launch would report it
}

void launch(Context& on, Recording& recording) { recording.launch(on.stream()); }
void close(Recording* recording) noexcept { delete recording; }

}  // namespace retrace::kernels
