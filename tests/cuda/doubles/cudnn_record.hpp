// Records the attributes of cuDNN descriptors, for executing graphs.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/emulator/location.hpp"

namespace doubles {

/// A descriptor. It keeps the descriptors that it refers to alive.
struct Record {
  struct Value {
    cudnnBackendAttributeType_t type;
    std::vector<char> bytes;
    std::vector<std::shared_ptr<Record>> descriptors;
  };

  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<int, Value> attributes;

  bool has(int attribute) const { return attributes.count(attribute) > 0; }
  const Value& value(int attribute) const {
    const auto found = attributes.find(attribute);
    if (found == attributes.end())
      throw emulator::Error("a cuDNN descriptor does not have attribute " +
                            std::to_string(attribute));
    return found->second;
  }
  const Record& descriptor(int attribute) const { return *value(attribute).descriptors.at(0); }

  template <class T>
  std::vector<T> list(int attribute) const {
    const auto& bytes = value(attribute).bytes;
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
    return values;
  }
  template <class T>
  T one(int attribute) const {
    return list<T>(attribute).at(0);
  }
};

/// Returns the record of a live descriptor. Throws an Error otherwise.
std::shared_ptr<Record> record_of(cudnnBackendDescriptor_t descriptor);

}  // namespace doubles
