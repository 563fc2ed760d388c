// Makes the state of all ranks the same, and checks that it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "retrace/layer/parameter_list.hpp"
#include "retrace/parallel/communicator.hpp"
#include "retrace/train/crc64.hpp"

namespace retrace::inline RETRACE_ISA {

namespace detail {

/// Calls body(bytes) with the elements of a tensor in host memory. If it returns true, they replace
/// those of the tensor.
template <class T, Device D, class Body>
void with_bytes(Tensor<T, D>& tensor, Body body) {
  std::vector<T> values(static_cast<std::size_t>(tensor.shape().size()));
  download(std::span(values), std::as_const(tensor).view());
  if (body(std::as_writable_bytes(std::span(values))))
    upload(tensor.view(), std::span<const T>(values));
}

/// Returns the rank with the most frequent value's first deviation, or −1 if all are equal.
inline int odd_rank_out(std::span<const std::uint64_t> values) {
  const auto count = [&](std::uint64_t value) {
    return std::count(values.begin(), values.end(), value);
  };
  std::uint64_t usual = values[0];
  for (std::uint64_t value : values)
    if (count(value) > count(usual)) usual = value;
  for (std::size_t r = 0; r < values.size(); ++r)
    if (values[r] != usual) return static_cast<int>(r);
  return -1;
}

}  // namespace detail

/// Sets the parameters' values, buffers and numbers of all ranks to those of rank `root`.
template <class T, Device D, Communicator C>
void broadcast_state(const ParameterList<T, D>& list, C& ranks, int root = 0) {
  const bool sends = ranks.rank() == root;
  const auto share = [&](Tensor<T, D>& tensor) {
    detail::with_bytes(tensor, [&](std::span<std::byte> bytes) {
      ranks.broadcast(bytes, root);
      return !sends;
    });
  };
  for (const auto& named : list.parameters) share(named.parameter->value);
  for (const auto& named : list.buffers) share(*named.tensor);
  broadcast_numbers(list, ranks, root);
}

/// Sets the numbers that layers count or choose to those of rank `root`.
template <class T, Device D, Communicator C>
void broadcast_numbers(const ParameterList<T, D>& list, C& ranks, int root = 0) {
  std::vector<std::int64_t> numbers;
  for (const auto& named : list.numbers) numbers.push_back(named.get());
  ranks.broadcast(std::as_writable_bytes(std::span(numbers)), root);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (list.numbers[i].get() != numbers[i]) list.numbers[i].set(numbers[i]);
}

/// Compares one checksum per parameter of all ranks.
/// @param what     the problem if they differ: "differs between the ranks"
/// @throws RankError "level1.block0.f.conv0.weight …", naming a rank that has another checksum than
///         most.
template <class T, Device D, Communicator C>
void require_same(const ParameterList<T, D>& list, C& ranks, std::span<const std::uint64_t> sums,
                  const std::string& what) {
  const auto size = static_cast<std::size_t>(ranks.size());
  constexpr std::uint64_t has_left = ~std::uint64_t{0};  // as answer_gather() sends
  Crc64 own;
  own.add_values(sums);
  const std::uint64_t value = own.value() == has_left ? 0 : own.value();
  std::vector<std::uint64_t> all(size);
  gather_values(ranks, value, std::span(all));
  if (std::find(all.begin(), all.end(), has_left) != all.end()) return;
  const int odd = detail::odd_rank_out(all);
  if (odd < 0) return;
  const std::uint64_t count = sums.size();
  gather_values(ranks, count, std::span(all));
  if (detail::odd_rank_out(all) >= 0)
    throw RankError("DataParallel: the network of " + ranks.describe(odd) + " has " +
                    std::to_string(all[static_cast<std::size_t>(odd)]) +
                    " parameters, but this one has " + std::to_string(count));
  std::vector<std::uint64_t> each(sums.size() * size);
  ranks.gather(std::as_bytes(sums), std::as_writable_bytes(std::span(each)));
  for (std::size_t i = 0; i < sums.size(); ++i) {
    for (std::size_t r = 0; r < size; ++r) all[r] = each[r * sums.size() + i];
    if (const int rank = detail::odd_rank_out(all); rank >= 0)
      throw RankError("DataParallel: " + list.parameters[i].name + ' ' + what + ": " +
                      ranks.describe(rank) + " has another one");
  }
}

/// @throws RankError unless the parameters have the same names and shapes on all ranks.
template <class T, Device D, Communicator C>
void require_same_structure(const ParameterList<T, D>& list, C& ranks) {
  std::vector<std::uint64_t> sums;
  for (const auto& [name, parameter] : list.parameters) {
    const std::string text = name + ' ' + to_string(parameter->value.shape());
    Crc64 sum;
    sum.add(std::as_bytes(std::span(text)));
    sums.push_back(sum.value());
  }
  require_same(list, ranks, sums, "has another name or shape on another rank");
}

/// @throws RankError unless all parameters have the same bits on all ranks. The message names the
///         first that does not.
template <class T, Device D, Communicator C>
void require_same_values(const ParameterList<T, D>& list, C& ranks) {
  std::vector<std::uint64_t> sums;
  for (const auto& named : list.parameters)
    detail::with_bytes(named.parameter->value, [&](std::span<const std::byte> bytes) {
      Crc64 sum;
      sum.add(bytes);
      sums.push_back(sum.value());
      return false;
    });
  require_same(list, ranks, sums, "does not have the same bits on all ranks");
}

}  // namespace retrace::inline RETRACE_ISA
