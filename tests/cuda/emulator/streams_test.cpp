// Streams run when they are waited for, graphs replay captured work, and calls fail on request.
#include "cuda/emulator/testing.hpp"

namespace emulator::test {
namespace {

namespace gpu = retrace::gpu;

__global__ void add(float* to, float x) { gpu::store(to, gpu::load(to) + x); }

class Stream {
 public:
  Stream() { cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

void add_on(cudaStream_t stream, const Array<float>& to, float x) {
  gpu::launch(add, {1, 1, stream, "add"}, to.get(), x);
}

void fetch_on(cudaStream_t stream, float& value, const Array<float>& from) {
  cudaMemcpyAsync(&value, from.get(), sizeof value, cudaMemcpyDeviceToHost, stream);
}

TEST_CASE("a result is available only after the synchronisation") {
  const Stream stream;
  const Array<float> array(std::vector<float>{1});
  float got = -1;
  add_on(stream, array, 2);
  fetch_on(stream, got, array);
  REQUIRE(got == -1);
  cudaStreamSynchronize(stream);
  REQUIRE(got == 3);
}

TEST_CASE("streams run in their own order, unless an event orders them") {
  const Stream first, second;
  const Array<float> array(std::vector<float>{1});
  float got = -1;
  add_on(first, array, 2);
  fetch_on(second, got, array);
  cudaStreamSynchronize(second);
  REQUIRE(got == 1);

  cudaEvent_t event;
  cudaEventCreate(&event);
  cudaEventRecord(event, first);
  REQUIRE(cudaEventQuery(event) == cudaErrorNotReady);
  cudaStreamWaitEvent(second, event, 0);
  fetch_on(second, got, array);
  cudaStreamSynchronize(second);
  REQUIRE(got == 3);
  REQUIRE(cudaEventQuery(event) == cudaSuccess);
  cudaEventDestroy(event);
}

TEST_CASE("memory freed in stream order can be used before, but not after") {
  const Stream stream;
  void* pointer = nullptr;
  cudaMallocAsync(&pointer, 4, stream);
  const auto x = static_cast<float*>(pointer);
  gpu::launch(add, {1, 1, stream, "add"}, x, 1.0f);
  cudaFreeAsync(pointer, stream);
  cudaStreamSynchronize(stream);
  gpu::launch(add, {1, 1, stream, "add"}, x, 1.0f);
  REQUIRE_THROWS_WITH(cudaStreamSynchronize(stream), containing("not a pointer to live"));
}

TEST_CASE("each launch of a graph runs the captured work") {
  const Stream stream;
  const Array<float> array(std::vector<float>{1});
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
  void* scratch = nullptr;
  cudaMallocAsync(&scratch, 64, stream);
  cudaMemsetAsync(scratch, 0, 64, stream);
  add_on(stream, array, 2);
  cudaMemcpyAsync(scratch, array.get(), 4, cudaMemcpyDeviceToDevice, stream);
  cudaFreeAsync(scratch, stream);
  cudaGraph_t graph;
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  REQUIRE(array.values()[0] == 1);

  cudaGraphExec_t executable;
  cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  for (const float expected : {3.0f, 5.0f}) {
    cudaGraphLaunch(executable, stream);
    cudaStreamSynchronize(stream);
    REQUIRE(array.values()[0] == expected);
  }
  REQUIRE(memory().live == 4);
  REQUIRE(leaks().size() == 3);  // the array, the stream and the executable graph
  cudaGraphExecDestroy(executable);
}

TEST_CASE("a call that waits ends a capture") {
  const Stream stream;
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal);
  REQUIRE(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
  cudaGraph_t graph;
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
  REQUIRE(graph == nullptr);
  REQUIRE(cudaStreamSynchronize(stream) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("a call fails on request, once") {
  void* pointer = nullptr;
  reset_calls();
  fail_call("cudaMallocAsync", 2, cudaErrorMemoryAllocation);
  REQUIRE(cudaMallocAsync(&pointer, 4, nullptr) == cudaSuccess);
  void* other = nullptr;
  REQUIRE(cudaMallocAsync(&other, 4, nullptr) == cudaErrorMemoryAllocation);
  REQUIRE(other == nullptr);
  REQUIRE(cudaMallocAsync(&other, 4, nullptr) == cudaSuccess);
  REQUIRE(calls().at("cudaMallocAsync") == 3);
  REQUIRE(cudaGetLastError() == cudaErrorMemoryAllocation);
  cudaFree(pointer);
  cudaFree(other);
}

TEST_CASE("a launch fails on request, or if no device supports its shape") {
  const Array<float> array(std::vector<float>{1});
  fail_call("cudaLaunchKernel", 1, cudaErrorLaunchFailure);
  add_on(nullptr, array, 1);
  REQUIRE(cudaGetLastError() == cudaErrorLaunchFailure);
  for (const dim3 block : {dim3(2048), dim3(0)}) {
    gpu::launch(add, {1, block, nullptr, "add"}, array.get(), 1.0f);
    REQUIRE(cudaGetLastError() == cudaErrorInvalidConfiguration);
  }
  gpu::launch(add, {dim3(1, 70000), 1, nullptr, "add"}, array.get(), 1.0f);
  REQUIRE(cudaGetLastError() == cudaErrorInvalidConfiguration);
  REQUIRE(array.values()[0] == 1);
}

}  // namespace
}  // namespace emulator::test
