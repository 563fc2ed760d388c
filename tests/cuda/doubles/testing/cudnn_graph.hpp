// Convolutions as cuDNN graphs, for the tests of its double.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include "cuda/doubles/convolution.hpp"
#include "support/catch.hpp"

namespace doubles::test {

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    REQUIRE(cudnnBackendCreateDescriptor(type, &handle_) == CUDNN_STATUS_SUCCESS);
  }
  ~Descriptor() { cudnnBackendDestroyDescriptor(handle_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  template <class T>
  void set(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type,
           const std::vector<T>& values) {
    const auto count = static_cast<std::int64_t>(values.size());
    REQUIRE(cudnnBackendSetAttribute(handle_, attribute, type, count, values.data()) ==
            CUDNN_STATUS_SUCCESS);
  }
  void set(cudnnBackendAttributeName_t attribute, const std::vector<std::int64_t>& values) {
    set(attribute, CUDNN_TYPE_INT64, values);
  }
  void set(cudnnBackendAttributeName_t attribute, const Descriptor& other) {
    set(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, std::vector{other.handle_});
  }
  cudnnStatus_t finalize() { return cudnnBackendFinalize(handle_); }
  cudnnBackendDescriptor_t get() const { return handle_; }

 private:
  cudnnBackendDescriptor_t handle_ = nullptr;
};

struct Shape {
  std::int64_t batch, channels, rows, columns, filters, kernel, padding, stride;
  std::int64_t out_rows() const { return (rows + 2 * padding - kernel) / stride + 1; }
  std::int64_t out_columns() const { return (columns + 2 * padding - kernel) / stride + 1; }
};

/// A planned convolution in NHWC, and everything that its plan refers to.
class Plan {
 public:
  /// Plans for elements of `type`, computed in double if they are double, otherwise in float.
  Plan(Pass pass, const Shape& shape, cudnnDataType_t type, double alpha = 1, double beta = 0);

  bool found() const { return plan_ != nullptr; }
  std::int64_t workspace() const { return workspace_; }
  cudnnStatus_t execute(cudnnHandle_t handle, void* x, void* w, void* y, void* workspace) const;

 private:
  Descriptor& add(cudnnBackendDescriptorType_t type) { return parts_.emplace_back(type); }
  Descriptor& add_tensor(std::int64_t id, std::vector<std::int64_t> sizes, cudnnDataType_t type);
  Descriptor& add_shape(const Shape& shape, cudnnDataType_t computed_in);
  Descriptor& add_operation(Pass pass, Descriptor& x, Descriptor& w, Descriptor& y,
                            Descriptor& shape, bool in_double, double alpha, double beta);
  void choose(Descriptor& operation);

  std::list<Descriptor> parts_;
  Descriptor* plan_ = nullptr;
  std::int64_t workspace_ = 0;
};

}  // namespace doubles::test
