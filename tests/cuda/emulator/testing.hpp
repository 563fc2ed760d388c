// Shared parts of the emulator's tests.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cuda/emulator/control.hpp"
#include "kernels/gpu.cuh"
#include "support/catch.hpp"

namespace emulator::test {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RETRACE_TEST_TSAN
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(RETRACE_TEST_TSAN)
inline constexpr bool under_thread_sanitizer = true;
#else
inline constexpr bool under_thread_sanitizer = false;
#endif

/// A device array, freed at the end of its scope.
template <class T>
class Array {
 public:
  explicit Array(std::size_t count) : count_(count) {
    REQUIRE(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)) == cudaSuccess);
  }
  explicit Array(const std::vector<T>& values) : Array(values.size()) {
    cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice);
  }
  ~Array() { cudaFree(data_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;

  T* get() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> copy(count_);
    cudaMemcpy(copy.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost);
    return copy;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

/// Scope guard that restores the options.
class SavedOptions {
 public:
  ~SavedOptions() { options() = saved_; }

 private:
  Options saved_ = options();
};

/// Launches a kernel on the null stream.
template <class... P, class... A>
void launch(void (*kernel)(P...), unsigned blocks, unsigned threads, A... arguments) {
  retrace::gpu::launch(kernel, {blocks, threads, nullptr, "kernel"}, arguments...);
}

/// Returns the error message of a synchronisation, or "".
inline std::string error_of_device() {
  try {
    cudaDeviceSynchronize();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct Ended {
  bool well;
  std::string errors;  ///< its stderr output
};

/// Runs a function in a separate process, which may crash or be ended by a sanitizer.
template <class F>
Ended in_child(F function) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    function();
    std::exit(0);  // sanitizers report at exit
  }
  close(ends[1]);
  std::string errors;
  char part[4096];
  for (ssize_t count; (count = read(ends[0], part, sizeof part)) > 0;)
    errors.append(part, static_cast<std::size_t>(count));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) && WEXITSTATUS(status) == 0, errors};
}

}  // namespace emulator::test
