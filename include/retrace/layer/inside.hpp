// What a block passes on to the branches inside it, as far as they have it.
#pragma once

#include <string>

#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

template <class H>
void set_mode_of(H& branch, Mode mode) {
  if constexpr (requires { branch.set_mode(mode); }) branch.set_mode(mode);
}

template <class H>
void set_chunk_of(H& branch, Index images) {
  if constexpr (requires { branch.set_chunk(images); }) branch.set_chunk(images);
}

template <class H>
void fuse_of(H& branch) {
  if constexpr (requires { branch.fuse(); }) branch.fuse();
}

template <class H>
void abandon_of(H& branch) {
  if constexpr (requires { branch.abandon(); }) branch.abandon();
}

template <class H, class List>
void collect_of(H& branch, const std::string& prefix, List& list) {
  if constexpr (requires { branch.collect(prefix, list); }) branch.collect(prefix, list);
}

}  // namespace retrace::inline RETRACE_ISA
