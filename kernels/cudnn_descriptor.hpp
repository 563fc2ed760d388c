// A descriptor of cuDNN's backend: a bag of attributes that is checked when it is finished.
#pragma once

#include <cudnn.h>

#include <utility>
#include <vector>

namespace retrace::kernels {

/// @throws DeviceError "kernels/cudnn.cpp:41: cudnnBackendFinalize: CUDNN_STATUS_BAD_PARAM …".
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
  /// Whether it could be, where cuDNN may refuse.
  bool can_finish() { return cudnnBackendFinalize(descriptor_) == CUDNN_STATUS_SUCCESS; }

  /// At most values.size() of an attribute; how many there are.
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
