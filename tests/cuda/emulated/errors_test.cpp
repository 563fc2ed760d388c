// Every call of the runtime may fail: a training step reports it and leaks nothing.
#include <cuda_runtime.h>

#include "cuda/devices.hpp"
#include "cuda/emulator/control.hpp"
#include "cuda/emulator/testing.hpp"
#include "retrace/net/architectures.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Runs a step of a network with an update and operations that read numbers back.
void train_a_step() {
  Cuda gpu;
  auto net = build<double>(gpu, Architecture::revnet, small_options(Architecture::revnet));
  Sgd<double, Cuda> optimizer(net.parameters(), {.clip = 1});
  auto x = moved<double>(gpu, normal_values(2 * 8 * 8 * 3, 1), {2, 8, 8, 3});
  accumulate_gradients(net, x, cross_entropy(labels(2)));
  optimizer.step(0.1);
  gpu.synchronize();
}

/// Returns the error message of a step in which the `nth` call of a function fails.
std::string message_of_a_step(const std::string& function, int nth) {
  emulator::fail_call(function, nth, cudaErrorLaunchFailure);
  std::string message;
  try {
    train_a_step();
  } catch (const DeviceError& error) {
    message = error.what();
  }
  emulator::fail_no_call();
  return message;
}

}  // namespace

TEST_CASE("a step leaks no device memory and misuses no call") {
  train_a_step();
  CHECK(emulator::leaks() == std::vector<std::string>{});
  CHECK(emulator::take_reports() == std::vector<std::string>{});
}

TEST_CASE("if a call fails, the step reports the call, its place and the reason") {
  emulator::reset_calls();
  train_a_step();
  const std::map<std::string, int> all = emulator::calls();
  CHECK(all.size() > 8);
  for (const auto& [function, times] : all) {
    // Functions that clean up, that read the error of another call, or that cannot fail.
    if (function.ends_with("Destroy") || function.ends_with("DestroyDescriptor") ||
        function.ends_with("Destroy_v2") || function == "cudaGetLastError" ||
        function == "cudaGetErrorString")
      continue;
    for (int nth : {1, (times + 1) / 2, times}) {
      CAPTURE(function, nth, times);
      const std::vector<std::string> before = emulator::leaks();
      const std::string message = message_of_a_step(function, nth);
      // The last wait is in a destructor, which cannot report errors.
      const bool told = function != "cudaStreamSynchronize" || nth < times;
      // If cuDNN refuses an algorithm, another one is taken.
      const bool refused = function == "cudnnBackendFinalize";
      if (told && !refused && function != "cudaFreeAsync") {
        CHECK_THAT(message, containing("kernels/"));
        if (function.starts_with("cuda"))
          CHECK_THAT(message, containing(cudaGetErrorString(cudaErrorLaunchFailure)));
        if (function != "cudaLaunchKernel")  // which is reported by the kernel's name
          CHECK_THAT(message, containing(function.starts_with("cuda") ? ": " + function : ": cu"));
      }
      CHECK(emulator::take_reports() == std::vector<std::string>{});
      if (function != "cudaFreeAsync") CHECK(emulator::leaks() == before);
    }
  }
}

TEST_CASE("a failed allocation is not on the meter") {
  Cuda gpu;
  emulator::fail_call("cudaMallocAsync", 1, cudaErrorLaunchFailure);
  CHECK_THROWS_AS((Tensor<float, Cuda>(gpu, {1, 1, 1, 8})), DeviceError);
  emulator::fail_no_call();
  CHECK(gpu.memory().live().total() == 0);
}

TEST_CASE("an error of a release is reported by the next wait") {
  Cuda gpu;
  {
    Tensor<float, Cuda> x(gpu, {1, 1, 1, 8});
    emulator::fail_call("cudaFreeAsync", 1, cudaErrorLaunchFailure);
  }
  emulator::fail_no_call();
  Tensor<float, Cuda> x(gpu, {1, 1, 1, 8});
  CHECK_NOTHROW(fill(x.view(), 1.f));  // a launch does not report it
  CHECK_THROWS_WITH(gpu.synchronize(), containing("cudaFreeAsync"));
  CHECK_NOTHROW(gpu.synchronize());
}

TEST_CASE("a full GPU throws OutOfMemory with the layer") {
  const emulator::test::SavedOptions saved;
  emulator::options().memory = 1 << 20;
  Cuda gpu;
  const MemoryMeter::Place here(gpu.memory(), "level1.block0");
  CHECK_THROWS_AS((Tensor<float, Cuda>(gpu, {1, 1024, 1024, 8})), OutOfMemory);
  CHECK(gpu.memory().live().total() == 0);
  Tensor<float, Cuda> small(gpu, {1, 8, 8, 8});
  fill(small.view(), 1.f);
  CHECK_NOTHROW(gpu.synchronize());
}

TEST_CASE("without a GPU the error is one line") {
  emulator::fail_call("cudaGetDeviceCount", 1, cudaErrorNoDevice);
  CHECK_THROWS_WITH(Cuda(), containing("there is no NVIDIA GPU to use"));
  emulator::fail_call("cudaGetDeviceCount", 1, cudaErrorInsufficientDriver);
  CHECK_THROWS_WITH(Cuda(), containing("there is no NVIDIA GPU to use"));
  emulator::fail_no_call();
  CHECK_THROWS_WITH(Cuda(7), containing("there is no GPU 7"));
  Cuda dry = Cuda::dry_device();  // needs no GPU
  auto net = build<float>(dry, Architecture::revnet, small_options(Architecture::revnet));
  CHECK(peak_memory(net, dry, {4, 8, 8, 3}).bytes.total() > 0);
}
