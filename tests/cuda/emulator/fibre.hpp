// A stack on which CUDA threads run, one after another.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#include "cuda/emulator/sanitizer.hpp"

namespace emulator {

class Fibre {
 public:
  using Work = void (*)(Fibre&);

  /// After the work has returned, resume() starts it again.
  explicit Fibre(Work work);
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  /// Called by the scheduler: runs the work until it returns or suspends.
  void resume();

  /// Called by the work: returns to the scheduler until the next resume().
  void suspend();

  /// Restarts with an empty stack at the next resume(), without running destructors.
  void empty();

  sanitizer::Stack& stack() { return stack_; }

  int thread = -1;  ///< number of the thread in the block

 private:
  static void main(boost::context::detail::transfer_t from);

  Work work_;
  char* memory_;
  sanitizer::Stack stack_, scheduler_stack_;
  boost::context::detail::fcontext_t context_, scheduler_ = nullptr;
};

}  // namespace emulator
