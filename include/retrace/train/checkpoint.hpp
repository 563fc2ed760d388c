// Writes the state of a training to one file atomically, and verifies the file when reading.
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "retrace/layer/parameter_list.hpp"
#include "retrace/train/crc64.hpp"
#include "retrace/train/durable_file.hpp"
#include "retrace/train/safetensors.hpp"

namespace retrace::inline RETRACE_ISA {

/// Thrown if a valid checkpoint does not belong to the network that it is restored into.
struct CheckpointMismatch : DataError {
  using DataError::DataError;
};

/// Additional information in a checkpoint, under keys that the user chooses.
using CheckpointMetadata = std::map<std::string, std::string>;

/// Returns the safetensors dtype of element type T.
template <class T>
constexpr std::string_view dtype_of() {
  if constexpr (std::same_as<T, float>) return "F32";
  if constexpr (std::same_as<T, double>) return "F64";
  if constexpr (std::same_as<T, std::int32_t>) return "I32";
  if constexpr (std::same_as<T, std::int16_t>) return "I16";
}

namespace detail {

/// A checkpoint starts with the checksum of the whole file, computed with zeros for its digits.
inline constexpr std::string_view checksum_key = "crc64", number_prefix = "number.",
                                  checksum_opening = R"({"__metadata__":{"crc64":")",
                                  no_checksum = "0000000000000000";
inline constexpr std::size_t checksum_position = 8 + checksum_opening.size();
inline constexpr std::size_t piece_bytes = 1 << 20;

/// Calls body(name, tensor) for the value of every parameter and for every buffer.
template <class T, Device D, class Body>
void for_each_tensor(const ParameterList<T, D>& list, Body body) {
  for (const auto& named : list.parameters) body(named.name, named.parameter->value);
  for (const auto& named : list.buffers) body(named.name, *named.tensor);
}

/// Calls body(view) for each piece of a tensor's elements, in order.
template <class T, Device D, class Body>
void for_each_piece(Tensor<T, D>& tensor, Body body) {
  constexpr Index most = piece_bytes / sizeof(T);
  for (Index first = 0, all = tensor.shape().size(); first < all; first += most) {
    const Index count = std::min(most, all - first);
    body(View<T, D>(tensor.device(), tensor.data() + first, per_channel(count), count));
  }
}

/// Calls body(bytes) for all elements of all tensors, piece by piece.
template <class T, Device D, class Body>
void for_all_bytes(const ParameterList<T, D>& list, Body body) {
  std::vector<T> piece(piece_bytes / sizeof(T));
  for_each_tensor(list, [&](const std::string&, Tensor<T, D>& tensor) {
    for_each_piece(tensor, [&](View<T, D> view) {
      const auto values = std::span(piece).first(static_cast<std::size_t>(view.shape().size()));
      download(values, view);
      body(std::as_bytes(values));
    });
  });
}

/// Returns the shape as stored in a file: a scale or a bias has one dimension.
inline std::vector<std::uint64_t> file_shape(Shape shape) {
  const auto c = static_cast<std::uint64_t>(shape.c);
  if (shape.pixels() == 1) return {c};
  return {static_cast<std::uint64_t>(shape.n), static_cast<std::uint64_t>(shape.h),
          static_cast<std::uint64_t>(shape.w), c};
}

template <class T, Device D>
SafetensorsHeader checkpoint_header(const ParameterList<T, D>& list,
                                    const CheckpointMetadata& metadata) {
  SafetensorsHeader header;
  header.metadata.emplace_back(checksum_key, no_checksum);
  header.metadata.insert(header.metadata.end(), metadata.begin(), metadata.end());
  for (const auto& named : list.numbers)
    if (const std::int64_t number = named.get(); number != named.absent)
      header.metadata.emplace_back(std::string(number_prefix) + named.name, std::to_string(number));
  std::uint64_t end = 0;
  for_each_tensor(list, [&](const std::string& name, const Tensor<T, D>& tensor) {
    TensorEntry entry{name, std::string(dtype_of<T>()), file_shape(tensor.shape()), end, end};
    end = entry.end += tensor_bytes(entry);
    header.tensors.push_back(std::move(entry));
  });
  return header;
}

}  // namespace detail

/// Writes every value, buffer and number of the list, and the metadata, to a safetensors file that
/// other programs can also read. The metadata entry "crc64" is the checksum.
///
/// Add the optimizer to the list: `auto list = net.parameters(); sgd.collect("momentum", list);`
/// @throws DataError if a name or a metadata key occurs twice.
/// @throws std::system_error if the file cannot be written; an existing file does not change.
template <class T, Device D>
void write_checkpoint(const std::filesystem::path& path, const ParameterList<T, D>& list,
                      const CheckpointMetadata& metadata) {
  const SafetensorsHeader header = detail::checkpoint_header(list, metadata);
  const std::uint64_t data_bytes = header.tensors.empty() ? 0 : header.tensors.back().end;
  std::string text = format_safetensors_header(header);
  parse_safetensors_header(path.string(), std::string_view(text).substr(8), data_bytes);

  Crc64 checksum;
  checksum.add(std::as_bytes(std::span(text)));
  detail::for_all_bytes(list, [&](std::span<const std::byte> bytes) { checksum.add(bytes); });
  text.replace(detail::checksum_position, detail::no_checksum.size(), checksum.digits());

  DurableFile file(path);
  file.write(text);
  detail::for_all_bytes(list, [&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.commit();
}

namespace detail {

/// Returns the number of tensors in the list.
/// @throws CheckpointMismatch unless the file has all of them with the same shapes.
template <class T, Device D>
std::size_t require_tensors(const SafetensorsFile& file, const ParameterList<T, D>& list) {
  std::size_t tensors = 0;
  const std::string dtype(dtype_of<T>());
  for_each_tensor(list, [&](const std::string& name, const Tensor<T, D>& to) {
    const TensorEntry* entry = file.find(name);
    const std::vector<std::uint64_t> shape = file_shape(to.shape());
    if (!entry) throw CheckpointMismatch(file.name() + ": has no tensor '" + name + "'");
    if (entry->shape != shape || entry->dtype != dtype)
      throw CheckpointMismatch(file.name() + ": '" + name + "' is " + join(entry->shape, "x") +
                               " of " + entry->dtype + ", but the network has " + join(shape, "x") +
                               " of " + dtype);
    ++tensors;
  });
  return tensors;
}

/// @pre require_tensors(file, list).
template <class T, Device D>
void read_tensors(SafetensorsFile& file, const ParameterList<T, D>& list) {
  std::vector<T> piece(piece_bytes / sizeof(T));
  for_each_tensor(list, [&](const std::string& name, Tensor<T, D>& to) {
    std::uint64_t offset = 0;
    for_each_piece(to, [&](View<T, D> view) {
      const auto values = std::span(piece).first(static_cast<std::size_t>(view.shape().size()));
      file.read(*file.find(name), offset, std::as_writable_bytes(values));
      upload(view, values);
      offset += values.size_bytes();
    });
  });
}

}  // namespace detail

/// An open checkpoint whose checksum has been verified.
class Checkpoint {
 public:
  /// @throws DataError unless the file is byte for byte as write_checkpoint wrote it.
  explicit Checkpoint(const std::filesystem::path& path) : file_(path) { verify(); }

  const std::string& name() const { return file_.name(); }

  /// Returns the metadata under the key.
  /// @throws CheckpointMismatch if there is no such key.
  const std::string& metadata(const std::string& key) const {
    if (const std::string* value = file_.header().find(key)) return *value;
    throw CheckpointMismatch(name() + ": its metadata has no '" + key + "'");
  }

  /// Returns metadata that was written with std::to_chars.
  /// @throws CheckpointMismatch if there is no such number.
  template <class Number>
  Number number(const std::string& key) const {
    const std::string& text = metadata(key);
    const char* end = text.data() + text.size();
    Number value{};
    if (const auto result = std::from_chars(text.data(), end, value);
        result.ec != std::errc() || result.ptr != end)
      throw CheckpointMismatch(name() + ": its metadata says '" + key + "' is '" + text +
                               "', which is no such number");
    return value;
  }

  /// Restores every value, buffer and number of the list.
  /// @throws CheckpointMismatch unless the file has exactly the tensors of the list, with the same
  ///         shapes. Nothing is changed then.
  template <class T, Device D>
  void restore(const ParameterList<T, D>& list) {
    if (detail::require_tensors(file_, list) != file_.header().tensors.size())
      refuse_strangers(list);
    std::vector<std::int64_t> numbers;
    for (const auto& named : list.numbers) {
      const std::string key = number_key(named.name);
      numbers.push_back(named.absent && !file_.header().find(key) ? *named.absent
                                                                  : number<std::int64_t>(key));
    }

    for (std::size_t i = 0; i < numbers.size(); ++i) list.numbers[i].set(numbers[i]);
    detail::read_tensors(file_, list);
  }

 private:
  static std::string number_key(const std::string& name) {
    return std::string(detail::number_prefix) + name;
  }

  void verify() {
    const std::string* written = file_.header().find(detail::checksum_key);
    std::string opening(detail::checksum_opening.size(), '\0');
    if (written) file_.read_at(8, std::as_writable_bytes(std::span(opening)));
    if (opening != detail::checksum_opening || written->size() != detail::no_checksum.size())
      throw DataError(name() + ": has no checksum, so it is no checkpoint of Retrace");
    Crc64 checksum;
    std::vector<std::byte> piece(detail::piece_bytes);
    for (std::uint64_t at = 0; at < file_.bytes(); at += piece.size()) {
      piece.resize(
          static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), file_.bytes() - at)));
      file_.read_at(at, piece);
      if (at == 0)
        std::fill_n(piece.begin() + detail::checksum_position, written->size(), std::byte{'0'});
      checksum.add(piece);
    }
    if (*written != checksum.digits())
      throw DataError(name() + ": is damaged: its checksum is " + checksum.digits() +
                      ", but it was written with " + *written);
  }

  template <class T, Device D>
  [[noreturn]] void refuse_strangers(const ParameterList<T, D>& list) const {
    std::map<std::string, bool> known;
    detail::for_each_tensor(
        list, [&](const std::string& tensor, const Tensor<T, D>&) { known[tensor] = true; });
    for (const TensorEntry& entry : file_.header().tensors)
      if (!known.contains(entry.name))
        throw CheckpointMismatch(name() + ": has a tensor '" + entry.name +
                                 "', but the network has not");
    throw CheckpointMismatch(name() + ": the network names a tensor twice");
  }

  SafetensorsFile file_;
};

}  // namespace retrace::inline RETRACE_ISA
