#include "cuda/emulator/fibre.hpp"

#include <sys/mman.h>

#include <new>

namespace emulator {
namespace {

namespace context = boost::context::detail;

constexpr std::size_t stack_bytes = 256 * 1024, guard_bytes = 4096;

}  // namespace

Fibre::Fibre(Work work) : work_(work) {
  void* memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  mprotect(memory_, guard_bytes, PROT_NONE);
  stack_.bottom = memory_ + guard_bytes;
  stack_.bytes = stack_bytes - guard_bytes;
  context_ = context::make_fcontext(memory_ + stack_bytes, stack_.bytes, main);
}

Fibre::~Fibre() { munmap(memory_, stack_bytes); }

void Fibre::main(context::transfer_t from) {
  auto& self = *static_cast<Fibre*>(from.data);
  self.scheduler_ = from.fctx;
  sanitizer::after_switch(self.stack_, self.scheduler_stack_);
  for (;;) {
    self.work_(self);
    self.suspend();
  }
}

void Fibre::resume() {
  sanitizer::before_switch(scheduler_stack_, stack_);
  context_ = context::jump_fcontext(context_, this).fctx;
  sanitizer::Stack left = stack_;
  sanitizer::after_switch(scheduler_stack_, left);
}

void Fibre::suspend() {
  sanitizer::before_switch(stack_, scheduler_stack_);
  scheduler_ = context::jump_fcontext(scheduler_, nullptr).fctx;
  sanitizer::after_switch(stack_, scheduler_stack_);
}

void Fibre::empty() {
  sanitizer::allow(memory_, stack_bytes);
  stack_.fake = nullptr;
  context_ = context::make_fcontext(memory_ + stack_bytes, stack_.bytes, main);
}

}  // namespace emulator
