// Loads the weights of a network from a file, which another program may have written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "retrace/train/checkpoint.hpp"

namespace retrace::inline RETRACE_ISA {

/// Loads every value and buffer of the list from the tensor of the same name in a safetensors file.
/// Other tensors of the file, such as those of an optimizer, are ignored. If the file is a
/// checkpoint, its checksum is verified, and its numbers in the list are set too.
/// @throws DataError if the file is not a safetensors file, or is a damaged checkpoint.
/// @throws CheckpointMismatch unless the file has all tensors of the list with the same shapes and
///         element type. Nothing is changed then.
template <class T, Device D>
void load_weights(const std::filesystem::path& path, const ParameterList<T, D>& list) {
  SafetensorsFile file(path);
  detail::require_tensors(file, list);
  if (file.header().find(detail::checksum_key)) {
    const Checkpoint checkpoint(path);
    for (const auto& named : list.numbers)
      if (const std::string key = std::string(detail::number_prefix) + named.name;
          file.header().find(key))
        named.set(checkpoint.number<std::int64_t>(key));
  }
  detail::read_tensors(file, list);
}

/// Loads only those tensors of the list that the file has with the same shape and element type,
/// such as all but the last layer of a network for other classes. Returns the names of the other
/// tensors, which do not change.
/// @throws DataError if the file is not a safetensors file, or is a damaged checkpoint.
template <class T, Device D>
std::vector<std::string> load_matching_weights(const std::filesystem::path& path,
                                               ParameterList<T, D> list) {
  const SafetensorsFile file(path);
  std::vector<std::string> others;
  const auto differs = [&](const std::string& name, const Tensor<T, D>& to) {
    const TensorEntry* entry = file.find(name);
    const bool same =
        entry && entry->shape == detail::file_shape(to.shape()) && entry->dtype == dtype_of<T>();
    if (!same) others.push_back(name);
    return !same;
  };
  std::erase_if(list.parameters,
                [&](const auto& each) { return differs(each.name, each.parameter->value); });
  std::erase_if(list.buffers, [&](const auto& each) { return differs(each.name, *each.tensor); });
  load_weights(path, list);
  return others;
}

}  // namespace retrace::inline RETRACE_ISA
