// The real cuDNN, opened beside the double: it builds and checks graphs without a GPU.
#pragma once

namespace doubles {

/// The address of one of its functions; an Error where the library is not there.
void* cudnn_symbol(const char* name);

/// In a function of the same name: real(&cudnnGetVersion, __func__)().
template <class F>
F real(F, const char* name) {
  return reinterpret_cast<F>(cudnn_symbol(name));
}

}  // namespace doubles
