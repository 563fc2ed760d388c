// A descriptor of cuDNN's backend: a set of attributes that is validated when it is finalised.
#pragma once

#include <cudnn.h>

#include <utility>
#include <vector>

namespace retrace::kernels {

/// Checks the status of a call.
/// @throws DeviceError such as "kernels/cudnn.cpp:41: cudnnBackendFinalize:
///         CUDNN_STATUS_BAD_PARAM …" if it failed.
void check(cudnnStatus_t status, const char* call, const char* file = __builtin_FILE(),
           int line = __builtin_LINE());

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    check(cudnnBackendCreateDescriptor(type, &descriptor_), "cudnnBackendCreateDescriptor");
  }
  Descriptor(Descriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Descriptor() {
    if (descriptor_) cudnnBackendDestroyDescriptor(descriptor_);
  }

  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
           const std::vector<T>& values) {
    check(cudnnBackendSetAttribute(descriptor_, name, type,
                                   static_cast<std::int64_t>(values.size()), values.data()),
          "cudnnBackendSetAttribute");
  }
  void set(cudnnBackendAttributeName_t name, const std::vector<std::int64_t>& values) {
    set(name, CUDNN_TYPE_INT64, values);
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{other.descriptor_});
  }

  void finish() { check(cudnnBackendFinalize(descriptor_), "cudnnBackendFinalize"); }
  /// Finalises the descriptor. Returns false if cuDNN refuses.
  bool can_finish() { return cudnnBackendFinalize(descriptor_) == CUDNN_STATUS_SUCCESS; }

  /// Reads at most values.size() values of an attribute. Returns how many exist.
  template <class T>
  std::int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                   std::vector<T>& values) const {
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(descriptor_, name, type,
                                   static_cast<std::int64_t>(values.size()), &count, values.data()),
          "cudnnBackendGetAttribute");
    return count;
  }
  std::int64_t get_integer(cudnnBackendAttributeName_t name) const {
    std::vector<std::int64_t> value(1);
    get(name, CUDNN_TYPE_INT64, value);
    return value[0];
  }

  cudnnBackendDescriptor_t handle() const { return descriptor_; }

 private:
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace retrace::kernels
