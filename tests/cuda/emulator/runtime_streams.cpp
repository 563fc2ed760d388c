// CUDA runtime: streams, events and graphs.
#include <utility>

#include "cuda/emulator/control.hpp"
#include "cuda/emulator/launch.hpp"
#include "cuda/emulator/location.hpp"
#include "cuda/emulator/runtime.hpp"
#include "cuda/emulator/streams.hpp"

namespace emulator {
namespace {

template <class T>
T* create(const char* kind) {
  add_object(kind);
  return new T{};
}

template <class T>
cudaError_t destroy(T* object, const char* kind) {
  if (object == nullptr) return answer(cudaErrorInvalidResourceHandle);
  remove_object(kind);
  delete object;
  return cudaSuccess;
}

std::shared_ptr<Recording>& active_recording() {
  static auto& active = *new std::shared_ptr<Recording>;
  return active;
}

}  // namespace

cudaError_t begin_waiting(const char* function) {
  if (const auto status = begin(function)) return status;
  if (!capturing()) return cudaSuccess;
  active_recording()->error = cudaErrorStreamCaptureInvalidated;
  return answer(cudaErrorStreamCaptureUnsupported);
}

}  // namespace emulator

using namespace emulator;

extern "C" {

// ---- Streams ----------------------------------------------------------------------------------

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (const auto status = begin(__func__)) return status;
  *stream = add_stream();
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  if (const auto status = begin(__func__)) return status;
  *stream = add_stream();
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  synchronise(resolve(stream));
  remove_stream(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const auto status = begin_waiting(__func__);
  if (!capturing()) synchronise(resolve(stream));  // a failing wait has also waited
  return status;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (const auto status = begin_waiting(__func__)) return status;
  return resolve(stream).queue.empty() ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize() {
  if (const auto status = begin_waiting(__func__)) return status;
  synchronise_all();
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  if (const auto status = begin(__func__)) return status;
  enqueue(stream, [=] { function(data); });
  return cudaSuccess;
}

// ---- Events -----------------------------------------------------------------------------------

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (const auto status = begin(__func__)) return status;
  *event = create<CUevent_st>("events");
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (const auto status = begin(__func__)) return status;
  *event = create<CUevent_st>("events");
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (const auto status = begin(__func__)) return status;
  return destroy(event, "events");
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  record(*event, stream);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (const auto status = begin(__func__)) return status;
  wait(*event, stream);
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (const auto status = begin_waiting(__func__)) return status;
  if (event->last && !event->last->reached) synchronise(*event->last->stream);
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (const auto status = begin_waiting(__func__)) return status;
  return !event->last || event->last->reached ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (const auto status = begin_waiting(__func__)) return status;
  if (!start->last || !end->last) return answer(cudaErrorInvalidResourceHandle);
  if (!start->last->reached || !end->last->reached) return answer(cudaErrorNotReady);
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->last->when - start->last->when).count();
  return cudaSuccess;
}

// ---- Graphs -----------------------------------------------------------------------------------

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (const auto status = begin(__func__)) return status;
  CUstream_st& captured = resolve(stream);
  if (&captured == &resolve(nullptr)) return answer(cudaErrorStreamCaptureUnsupported);
  if (capturing()) return answer(cudaErrorIllegalState);
  captured.recording = active_recording() = std::make_shared<Recording>();
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  if (const auto injected = begin(__func__)) return injected;
  const auto& recording = resolve(stream).recording;
  *status = !recording                        ? cudaStreamCaptureStatusNone
            : recording->error == cudaSuccess ? cudaStreamCaptureStatusActive
                                              : cudaStreamCaptureStatusInvalidated;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (const auto status = begin(__func__)) return status;
  const auto recording = std::exchange(resolve(stream).recording, nullptr);
  active_recording() = nullptr;
  *graph = nullptr;
  if (!recording) return answer(cudaErrorIllegalState);
  if (recording->error != cudaSuccess) return answer(recording->error);
  *graph = create<CUgraph_st>("graphs");
  (*graph)->recording = recording;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  if (const auto status = begin(__func__)) return status;
  *executable = create<CUgraphExec_st>("executable graphs");
  (*executable)->recording = graph->recording;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (const auto status = begin(__func__)) return status;
  enqueue(stream, [recording = executable->recording] {
    for (const Operation& operation : recording->operations) operation();
  });
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  if (const auto status = begin(__func__)) return status;
  return destroy(executable, "executable graphs");
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (const auto status = begin(__func__)) return status;
  return destroy(graph, "graphs");
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, std::size_t* count) {
  if (const auto status = begin(__func__)) return status;
  *count = graph->recording->operations.size();
  return cudaSuccess;
}

}  // extern "C"
