// Launches a kernel: its arguments are copied into the queue of its stream.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace emulator {

struct Launch {
  dim3 grid, block;
  cudaStream_t stream;
  const char* name;
};

/// One argument of a launch, as the bytes that a GPU would get.
struct Argument {
  const void* value;
  std::size_t bytes, alignment;
  bool is_pointer;
};

/// A launch to execute.
struct Grid {
  Launch launch;
  const void* kernel;  ///< the address of the host function
  std::vector<Argument> arguments;
  const std::function<void()>* thread;  ///< the code of each thread
};

/// Counts the launch and checks its shape like a device. Returns false, and sets the last error, if
/// a device would refuse it.
bool accept(const Launch& launch);
void enqueue(cudaStream_t stream, std::function<void()> operation);
void run(const Grid& grid);

/// Runs later launches with another engine; nullptr selects fibres again.
void set_engine(std::function<void(const Grid&)> engine);

template <class... P, class... A>
void launch(void (*kernel)(P...), const Launch& how, A&&... arguments) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "a kernel gets the bytes of an argument");
  if (!accept(how)) return;
  enqueue(how.stream, [kernel, how, pack = std::tuple<P...>(std::forward<A>(arguments)...)] {
    Grid grid{how, reinterpret_cast<const void*>(kernel), {}, nullptr};
    const auto list = [&](const P&... each) {
      (grid.arguments.push_back({&each, sizeof each, alignof(P), std::is_pointer_v<P>}), ...);
    };
    std::apply(list, pack);
    const std::function<void()> thread = [&] { std::apply(kernel, pack); };
    grid.thread = &thread;
    run(grid);
  });
}

}  // namespace emulator
