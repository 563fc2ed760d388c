// Notifies sanitizers about fibres and device memory; does nothing without a sanitizer.
//
// The emulator itself is never compiled with -fsanitize=thread, so the sanitizer sees only accesses
// of kernels. RETRACE_EMULATOR_TSAN means that it is active.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RETRACE_EMULATOR_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RETRACE_EMULATOR_ASAN
#endif

#if defined(RETRACE_EMULATOR_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif

#if defined(RETRACE_EMULATOR_TSAN)
#include <sys/mman.h>
extern "C" {
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fibre);
void* __tsan_get_current_fiber();
void __tsan_switch_to_fiber(void* fibre, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace emulator::sanitizer {

/// A stack as the sanitizers see it.
struct Stack {
  const void* bottom = nullptr;
  std::size_t bytes = 0;
  void* fake = nullptr;    ///< AddressSanitizer's fake stack
  void* thread = nullptr;  ///< ThreadSanitizer's fibre
};

#if defined(RETRACE_EMULATOR_ASAN)

inline void before_switch(Stack& from, const Stack& to) {
  __sanitizer_start_switch_fiber(&from.fake, to.bottom, to.bytes);
}
inline void after_switch(Stack& here, Stack& from) {
  __sanitizer_finish_switch_fiber(here.fake, &from.bottom, &from.bytes);
}
inline void forbid(const void* from, std::size_t bytes) {
  __asan_poison_memory_region(from, bytes);
}
inline void allow(const void* from, std::size_t bytes) {
  __asan_unpoison_memory_region(from, bytes);
}
inline constexpr bool forbids = true;

/// Scope guard: memory allocated meanwhile may leak, because another library keeps it.
class UntrackedHeap {
 public:
  UntrackedHeap() { __lsan_disable(); }
  ~UntrackedHeap() { __lsan_enable(); }
};

#elif defined(RETRACE_EMULATOR_TSAN)

inline void before_switch(Stack& from, const Stack& to) {
  from.thread = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.thread, 1);  // 1: no synchronisation on switch
}

#else

inline void before_switch(Stack&, const Stack&) {}

#endif

#if !defined(RETRACE_EMULATOR_ASAN)
inline void after_switch(Stack&, Stack&) {}
inline void forbid(const void*, std::size_t) {}
inline void allow(const void*, std::size_t) {}
inline constexpr bool forbids = false;
struct UntrackedHeap {
  UntrackedHeap() {}
};
#endif

#if defined(RETRACE_EMULATOR_TSAN)

/// Each CUDA thread is a thread of the sanitizer, whatever stack it uses.
inline constexpr bool one_fibre_a_thread = true;
inline void begin_thread(Stack& on) {
  // Mapping the used part again clears it: it contains locals of another thread.
  const std::size_t used = 32 * 1024;
  char* end = static_cast<char*>(const_cast<void*>(on.bottom)) + on.bytes;
  mmap(end - used, used, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  on.thread = __tsan_create_fiber(0);
}
inline void end_thread(Stack& on) { __tsan_destroy_fiber(on.thread); }

/// Accesses before happens_before(x) are ordered before a later happens_after(x).
inline void happens_before(void* x) { __tsan_release(x); }
inline void happens_after(void* x) { __tsan_acquire(x); }

/// Scope guard: accesses meanwhile belong to the emulator.
class Unseen {
 public:
  Unseen() {
    AnnotateIgnoreReadsBegin("", 0);
    AnnotateIgnoreWritesBegin("", 0);
  }
  ~Unseen() {
    AnnotateIgnoreWritesEnd("", 0);
    AnnotateIgnoreReadsEnd("", 0);
  }
};

#else

inline constexpr bool one_fibre_a_thread = false;
inline void begin_thread(Stack&) {}
inline void end_thread(Stack&) {}
inline void happens_before(void*) {}
inline void happens_after(void*) {}
struct Unseen {
  Unseen() {}
};

#endif

}  // namespace emulator::sanitizer
