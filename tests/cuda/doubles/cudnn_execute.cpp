#include "cuda/doubles/cudnn_execute.hpp"

#include <algorithm>

namespace doubles {
namespace {

/// The attributes of the three operations, which have the same meaning under different names.
struct Names {
  Pass pass;
  int x, w, y, convolution, alpha, beta;
};

Names names_of(const Record& operation) {
  switch (operation.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return {Pass::forward,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return {Pass::backward_data,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return {Pass::backward_filter,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    default:
      throw emulator::Error("the double of cuDNN executes only convolutions");
  }
}

Number number(cudnnDataType_t type) {
  switch (type) {
    case CUDNN_DATA_DOUBLE:
      return Number::float64;
    case CUDNN_DATA_FLOAT:
      return Number::float32;
    case CUDNN_DATA_HALF:
      return Number::float16;
    case CUDNN_DATA_BFLOAT16:
      return Number::bfloat16;
    default:
      throw emulator::Error("the double of cuDNN does not support a tensor's type");
  }
}

template <std::size_t count>
std::array<std::int64_t, count> numbers(const Record& record, int attribute) {
  const auto list = record.list<std::int64_t>(attribute);
  if (list.size() != count)
    throw emulator::Error("the double of cuDNN executes only convolutions of images");
  std::array<std::int64_t, count> values;
  std::copy(list.begin(), list.end(), values.begin());
  return values;
}

double scalar(const Record& operation, int attribute, double otherwise) {
  if (!operation.has(attribute)) return otherwise;
  return operation.value(attribute).type == CUDNN_TYPE_DOUBLE
             ? operation.one<double>(attribute)
             : static_cast<double>(operation.one<float>(attribute));
}

Tensor tensor(const char* name, const Record& record, const Record& pack) {
  const auto id = record.one<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
  const auto ids = pack.list<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.list<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  const auto found = std::find(ids.begin(), ids.end(), id);
  if (found == ids.end() || ids.size() != pointers.size())
    throw emulator::Error(std::string("a variant pack has no pointer for tensor ") + name);
  return {name,
          number(record.one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
          numbers<4>(record, CUDNN_ATTR_TENSOR_DIMENSIONS),
          numbers<4>(record, CUDNN_ATTR_TENSOR_STRIDES),
          record.one<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT),
          pointers[static_cast<std::size_t>(found - ids.begin())]};
}

/// A configuration refers to heuristics, or to an engine of a graph.
const Record& graph_of(const Record& configuration) {
  if (configuration.has(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH))
    return configuration.descriptor(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
  return configuration.descriptor(CUDNN_ATTR_ENGINECFG_ENGINE)
      .descriptor(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
}

}  // namespace

Convolution convolution_of(const Record& plan, const Record& pack) {
  const Record& graph = graph_of(plan.descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG));
  const auto& operations = graph.value(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors;
  if (operations.size() != 1)
    throw emulator::Error("the double of cuDNN executes only graphs of one operation");
  const Record& operation = *operations[0];
  const Names names = names_of(operation);
  const Record& shape = operation.descriptor(names.convolution);
  if (shape.one<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) !=
      CUDNN_CROSS_CORRELATION)
    throw emulator::Error("the double of cuDNN computes only cross-correlations");
  return {names.pass,
          tensor("x", operation.descriptor(names.x), pack),
          tensor("w", operation.descriptor(names.w), pack),
          tensor("y", operation.descriptor(names.y), pack),
          numbers<2>(shape, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
          numbers<2>(shape, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
          numbers<2>(shape, CUDNN_ATTR_CONVOLUTION_DILATIONS),
          scalar(operation, names.alpha, 1),
          scalar(operation, names.beta, 0)};
}

void* workspace_of(const Record& pack) {
  if (!pack.has(CUDNN_ATTR_VARIANT_PACK_WORKSPACE)) return nullptr;
  return pack.one<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
}

}  // namespace doubles
