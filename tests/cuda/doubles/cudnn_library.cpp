#include "cuda/doubles/cudnn_library.hpp"

#include <dlfcn.h>

#include <string>

#include "cuda/emulator/location.hpp"

namespace doubles {

void* cudnn_symbol(const char* name) {
  // With a local scope, so that calls within cuDNN do not reach the double.
  static void* const library = [] {
    const emulator::sanitizer::UntrackedHeap untracked;
    return dlopen(RETRACE_CUDNN_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  }();
  if (library == nullptr)
    throw emulator::Error(std::string("cuDNN cannot be opened: ") + dlerror());
  void* symbol = dlsym(library, name);
  if (symbol == nullptr) throw emulator::Error(std::string("cuDNN has no ") + name);
  return symbol;
}

}  // namespace doubles
