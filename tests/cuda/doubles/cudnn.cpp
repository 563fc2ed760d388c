// A test double of cuDNN. The real library builds and checks graphs, which needs no GPU. The parts
// that need one are replaced: handles, device properties, and the execution of convolutions.
#include <cudnn.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "cuda/doubles/cudnn_control.hpp"
#include "cuda/doubles/cudnn_execute.hpp"
#include "cuda/doubles/cudnn_library.hpp"
#include "cuda/doubles/cudnn_record.hpp"
#include "cuda/emulator/control.hpp"
#include "cuda/emulator/launch.hpp"

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

namespace doubles {
namespace {

constexpr const char *kind_of_handle = "cuDNN handles", *kind_of_descriptor = "cuDNN descriptors";

std::set<cudnnHandle_t>& handles() {
  static auto& live = *new std::set<cudnnHandle_t>;
  return live;
}

std::map<cudnnBackendDescriptor_t, std::shared_ptr<Record>>& records() {
  static auto& live = *new std::map<cudnnBackendDescriptor_t, std::shared_ptr<Record>>;
  return live;
}

int capability = 90;
Executions executed;

cudnnStatus_t injected(const char* call) {
  return static_cast<cudnnStatus_t>(emulator::begin_call(call));
}

/// Returns device properties in cuDNN's format instead of a GPU's. cuDNN's error messages reveal
/// the required fields.
std::string device_properties() {
  const std::string path =
      std::string(RETRACE_TEST_DEVICES) + "/sm_" + std::to_string(capability) + ".json";
  std::ifstream file(path);
  if (!file) throw emulator::Error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t bytes_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_CHAR:
    case CUDNN_TYPE_BOOLEAN:
      return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
    case CUDNN_TYPE_FRACTION:
      return 8;
    default:
      return 4;
  }
}

void keep(Record& record, int attribute, cudnnBackendAttributeType_t type, std::int64_t count,
          const void* elements) {
  Record::Value value{type, {}, {}};
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    const auto* descriptors = static_cast<const cudnnBackendDescriptor_t*>(elements);
    for (std::int64_t i = 0; i < count; ++i) value.descriptors.push_back(record_of(descriptors[i]));
  } else {
    const auto* bytes = static_cast<const char*>(elements);
    value.bytes.assign(bytes, bytes + static_cast<std::size_t>(count) * bytes_of(type));
  }
  record.attributes[attribute] = std::move(value);
}

/// Records the graph of the configurations that heuristics return.
void keep_graph(const Record& heuristics, std::int64_t count, void* results) {
  auto* configurations = static_cast<cudnnBackendDescriptor_t*>(results);
  for (std::int64_t i = 0; i < count; ++i)
    record_of(configurations[i])->attributes[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] =
        heuristics.value(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
}

std::size_t workspace_bytes(cudnnBackendDescriptor_t plan) {
  std::int64_t bytes = 0, count = 0;
  const auto status = real(&cudnnBackendGetAttribute, "cudnnBackendGetAttribute")(
      plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes);
  if (status != CUDNN_STATUS_SUCCESS) throw emulator::Error("a plan has no workspace size");
  return static_cast<std::size_t>(bytes);
}

/// Checks that a workspace is large enough, and fills it with NaN.
void use_workspace(void* workspace, std::size_t bytes) {
  if (bytes == 0) return;
  if (!emulator::is_live(workspace, bytes))
    throw emulator::Error("a plan's workspace of " + std::to_string(bytes) +
                          " bytes is not inside a device allocation");
  const emulator::DeviceAccess access;
  std::memset(workspace, 0xFF, bytes);
}

}  // namespace

std::shared_ptr<Record> record_of(cudnnBackendDescriptor_t descriptor) {
  const auto found = records().find(descriptor);
  if (found == records().end())
    throw emulator::Error("a cuDNN descriptor is used after its destruction");
  return found->second;
}

void set_capability(int chosen) { capability = chosen; }
Executions executions() { return executed; }
void reset_executions() { executed = {}; }

}  // namespace doubles

using namespace doubles;

extern "C" {

// ---- Handles ----------------------------------------------------------------------------------

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  if (const auto status = injected(__func__)) return status;
  *handle = *handles().insert(new cudnnContext).first;
  emulator::add_object(kind_of_handle);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  if (const auto status = injected(__func__)) return status;
  if (handles().erase(handle) == 0) return CUDNN_STATUS_BAD_PARAM;
  emulator::remove_object(kind_of_handle);
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  if (const auto status = injected(__func__)) return status;
  if (handles().count(handle) == 0) return CUDNN_STATUS_BAD_PARAM;
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  if (const auto status = injected(__func__)) return status;
  if (handles().count(handle) == 0) return CUDNN_STATUS_BAD_PARAM;
  *stream = handle->stream;
  return CUDNN_STATUS_SUCCESS;
}

std::size_t cudnnGetVersion() { return real(&cudnnGetVersion, __func__)(); }

const char* cudnnGetErrorString(cudnnStatus_t status) {
  return real(&cudnnGetErrorString, __func__)(status);
}

void cudnnGetLastErrorString(char* message, std::size_t bytes) {
  real(&cudnnGetLastErrorString, __func__)(message, bytes);
}

// ---- Descriptors ------------------------------------------------------------------------------

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  if (const auto status = injected(__func__)) return status;
  const auto status = real(&cudnnBackendCreateDescriptor, __func__)(type, descriptor);
  if (status != CUDNN_STATUS_SUCCESS) return status;
  records()[*descriptor] = std::make_shared<Record>(Record{type, false, {}});
  emulator::add_object(kind_of_descriptor);
  return status;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  if (const auto status = injected(__func__)) return status;
  record_of(descriptor);
  records().erase(descriptor);
  emulator::remove_object(kind_of_descriptor);
  return real(&cudnnBackendDestroyDescriptor, __func__)(descriptor);
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t attribute,
                                       cudnnBackendAttributeType_t type, std::int64_t count,
                                       const void* elements) {
  if (const auto status = injected(__func__)) return status;
  const auto record = record_of(descriptor);
  if (attribute == CUDNN_ATTR_OPERATIONGRAPH_HANDLE ||
      attribute == CUDNN_ATTR_EXECUTION_PLAN_HANDLE)
    throw emulator::Error("the double of cuDNN plans only for device properties, not for a handle");
  if (attribute == CUDNN_ATTR_DEVICEPROP_DEVICE_ID || attribute == CUDNN_ATTR_DEVICEPROP_HANDLE) {
    const std::string properties = device_properties();
    return real(&cudnnBackendSetAttribute, __func__)(
        descriptor, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
        static_cast<std::int64_t>(properties.size()) + 1, properties.c_str());
  }
  const auto status =
      real(&cudnnBackendSetAttribute, __func__)(descriptor, attribute, type, count, elements);
  if (status == CUDNN_STATUS_SUCCESS) keep(*record, attribute, type, count, elements);
  return status;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t attribute,
                                       cudnnBackendAttributeType_t type, std::int64_t requested,
                                       std::int64_t* count, void* elements) {
  if (const auto status = injected(__func__)) return status;
  const auto record = record_of(descriptor);
  std::int64_t found = 0;
  const auto status = real(&cudnnBackendGetAttribute, __func__)(descriptor, attribute, type,
                                                                requested, &found, elements);
  if (count != nullptr) *count = found;
  if (status == CUDNN_STATUS_SUCCESS && attribute == CUDNN_ATTR_ENGINEHEUR_RESULTS &&
      elements != nullptr)
    keep_graph(*record, std::min(requested, found), elements);
  return status;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  if (const auto status = injected(__func__)) return status;
  const auto record = record_of(descriptor);
  const auto status = real(&cudnnBackendFinalize, __func__)(descriptor);
  record->finalized = status == CUDNN_STATUS_SUCCESS;
  return status;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  if (const auto status = injected(__func__)) return status;
  if (handles().count(handle) == 0) return CUDNN_STATUS_BAD_PARAM;
  const auto plan_record = record_of(plan), pack_record = record_of(pack);
  if (!plan_record->finalized || !pack_record->finalized) return CUDNN_STATUS_BAD_PARAM;
  const Convolution convolution = convolution_of(*plan_record, *pack_record);
  void* workspace = workspace_of(*pack_record);
  const std::size_t bytes = workspace_bytes(plan);
  ++executed.count;
  executed.workspace = std::max(executed.workspace, bytes);
  emulator::enqueue(handle->stream, [convolution, workspace, bytes] {
    use_workspace(workspace, bytes);
    compute(convolution);
  });
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
