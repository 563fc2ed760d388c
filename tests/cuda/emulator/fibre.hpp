// A stack of its own that threads of CUDA run on, one after another.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#include "cuda/emulator/sanitizer.hpp"

namespace emulator {

class Fibre {
 public:
  using Work = void (*)(Fibre&);

  /// Every resume() after the work returned starts it again.
  explicit Fibre(Work work);
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  /// From the scheduler: runs the work until it returns or suspends.
  void resume();

  /// From the work: back to the scheduler, until the next resume().
  void suspend();

  /// Starts with an empty stack at the next resume(); no destructor of what is on it runs.
  void empty();

  sanitizer::Stack& stack() { return stack_; }

  int thread = -1;  ///< of the block, that runs on it

 private:
  static void main(boost::context::detail::transfer_t from);

  Work work_;
  char* memory_;
  sanitizer::Stack stack_, scheduler_stack_;
  boost::context::detail::fcontext_t context_, scheduler_ = nullptr;
};

}  // namespace emulator
