// The real cuDNN, opened beside the double: it builds and checks graphs without a GPU.
#pragma once

#include "cuda/emulator/sanitizer.hpp"

namespace doubles {

/// The address of one of its functions; an Error where the library is not there.
void* cudnn_symbol(const char* name);

/// In a function of the same name: real(&cudnnGetVersion, __func__)().
template <class R, class... A>
auto real(R (*)(A...), const char* name) {
  return [function = reinterpret_cast<R (*)(A...)>(cudnn_symbol(name))](A... arguments) {
    const emulator::sanitizer::UntrackedHeap untracked;
    return function(arguments...);
  };
}

}  // namespace doubles
