// A parallel loop.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "retrace/core/shape.hpp"

/// Calls function(i) for i from 0 to count - 1, in any order, by `threads` threads.
/// @throws the exception of the smallest i that throws, after all calls have ended.
template <class Function>
void for_each(retrace::Index count, int threads, Function function) {
  std::atomic<retrace::Index> next{0};
  std::mutex mutex;
  std::exception_ptr error;
  retrace::Index error_at = count;
  const auto work = [&] {
    for (retrace::Index i; (i = next++) < count;) try {
        function(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i >= error_at) continue;
        error_at = i;
        error = std::current_exception();
      }
  };
  std::vector<std::jthread> others;
  for (int i = 1; i < threads && i < count; ++i) others.emplace_back(work);
  work();
  others.clear();
  if (error) std::rethrow_exception(error);
}
