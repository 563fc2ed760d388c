// The real cuDNN, loaded next to the double. It builds and checks graphs without a GPU.
#pragma once

#include "cuda/emulator/sanitizer.hpp"

namespace doubles {

/// Returns the address of a function. Throws an Error if the library is missing.
void* cudnn_symbol(const char* name);

/// Calls the real function of the same name: real(&cudnnGetVersion, __func__)().
template <class R, class... A>
auto real(R (*)(A...), const char* name) {
  return [function = reinterpret_cast<R (*)(A...)>(cudnn_symbol(name))](A... arguments) {
    const emulator::sanitizer::UntrackedHeap untracked;
    return function(arguments...);
  };
}

}  // namespace doubles
