// Adding what an operation can only set.
#pragma once

#include "retrace/core/store.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// target =, += or −= the value that compute(view) sets. If it is added, it exists for a while in
/// memory of its own, held for `use`.
template <class T, Device D, class Compute>
void store_by(Store how, View<T, D> target, Use use, Compute compute) {
  if (how == Store::set) return compute(target);
  Tensor<T, D> value(target.device(), target.shape(), use);
  compute(value.view());
  add(target, value.view(), how);
}

/// target =, += or −= value.
template <class T, Device D>
void store_value(Store how, View<T, D> target, ConstView<T, D> value) {
  if (how == Store::set)
    copy(target, value);
  else
    add(target, value, how);
}

/// y becomes x, unless it is x already.
template <class T, Device D>
void copy_unless_same(View<T, D> y, ConstView<T, D> x) {
  if (y.data() != x.data()) copy(y, x);
}

/// target =, += or −= value; nothing moves if the target is set to itself.
template <class T, Device D>
void store_unless_same(View<T, D> target, ConstView<T, D> value, Store how) {
  if (how == Store::set)
    copy_unless_same(target, value);
  else
    add(target, value, how);
}

}  // namespace retrace::inline RETRACE_ISA
