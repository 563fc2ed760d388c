// The library's own convolutions, for every shape and element type.
#pragma once

#include "context.hpp"

namespace retrace::kernels::own {

template <class T>
std::int64_t scratch(const Convolution&);
template <class T>
void convolve(Context&, const Convolution&, T* y, const T* x, const T* w, Prologue<T>);
template <class T>
void convolve_gradient(Context&, const Convolution&, T* dx, const T* dy, const T* w);
template <class T>
void convolve_weight_gradient(Context&, const Convolution&, T* dw, const T* x, const T* dy,
                              Prologue<T>, T* scratch);

}  // namespace retrace::kernels::own
