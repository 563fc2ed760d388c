// The meter counts all memory that a GPU allocates.
#include "cuda/devices.hpp"
#include "cuda/emulator/device_memory.hpp"
#include "cuda/emulator/testing.hpp"
#include "retrace/net/architectures.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a step takes the metered memory from a GPU, including library workspaces") {
  const emulator::test::SavedOptions saved;
  emulator::options().deferred = false;  // frees take effect at once
  const std::size_t before = emulator::memory().live;
  for (bool libraries : {true, false}) {
    CAPTURE(libraries);
    Cuda gpu(0, {.libraries = libraries});
    auto net = build<float>(gpu, Architecture::revnet, small_options(Architecture::revnet));
    Sgd<float, Cuda> optimizer(net.parameters(), {.momentum = 0.9});
    auto x = moved<float>(gpu, normal_values(2 * 8 * 8 * 3, 1), {2, 8, 8, 3});
    gpu.memory().restart_peak();
    emulator::device_memory().counters.peak = emulator::memory().live;
    emulator::reset_calls();
    accumulate_gradients(net, x, cross_entropy(labels(2)));
    optimizer.step(0.1);
    gpu.synchronize();
    CHECK(emulator::memory().live - before == gpu.memory().live().total());
    CHECK(emulator::memory().peak - before == gpu.memory().peak().total());
    const auto calls = emulator::calls();
    const auto times = [&](const char* function) {
      const auto found = calls.find(function);
      return found == calls.end() ? 0 : found->second;
    };
    CHECK(times("cublasSetWorkspace") == times("cublasSgemm"));
    CHECK((times("cublasSgemm") > 0) == libraries);
  }
}

TEST_CASE("a recorded step is one launch, which allocates no tensor") {
  Cuda gpu(0, {.libraries = false});
  auto net = build<float>(gpu, Architecture::revnet, small_options(Architecture::revnet));
  Sgd<float, Cuda> optimizer(net.parameters(), {.momentum = 0.9});
  const auto x = moved<float>(gpu, normal_values(2 * 8 * 8 * 3, 1), {2, 8, 8, 3});
  RecordedStep<float, Cuda> step(gpu, net, optimizer, x.shape());
  step(x, labels(2), 0.1);
  gpu.memory().restart_peak();
  const std::size_t held = gpu.memory().live().total();
  step(x, labels(2), 0.1);
  CHECK(gpu.memory().peak().total() > held);  // during recording
  emulator::reset_calls();
  step(x, labels(2), 0.1);
  const auto calls = emulator::calls();
  CHECK(calls.at("cudaGraphLaunch") == 1);
  CHECK(calls.at("cudaLaunchKernel") == 2);  // one copies the images, one adds up the losses
  CHECK(calls.count("cudaMallocAsync") == 0);
}
