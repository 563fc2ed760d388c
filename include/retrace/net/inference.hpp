// A trained network made ready to be used: what only training needs goes.
#pragma once

#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// Makes the network one for `inference` runs alone, which computes the same bits in less memory:
/// a normalisation that a convolution follows becomes part of it, every other one a scale and a
/// shift of the running averages as they are now, and gradients are let go. A run by the statistics
/// of a batch is a StateError from then on, and the normalisations name no parameters any more:
/// checkpoints are read before.
/// @pre no optimizer holds the parameters.
template <class T, Device D>
void fold(Chain<T, D>& net) {
  net.fuse();
  auto list = net.parameters();
  list.release_gradients();
  for (auto& named : list.statistics) named.statistics->fold();
}

}  // namespace retrace::inline RETRACE_ISA
