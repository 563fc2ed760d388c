#include "cuda/doubles/testing/cudnn_graph.hpp"

#include <utility>

namespace doubles::test {

Descriptor& Plan::add_tensor(std::int64_t id, std::vector<std::int64_t> sizes,
                             cudnnDataType_t type) {
  Descriptor& tensor = add(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{type});
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes);
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES,
             {sizes[1] * sizes[2] * sizes[3], 1, sizes[3] * sizes[1], sizes[1]});
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, {id});
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {16});
  REQUIRE(tensor.finalize() == CUDNN_STATUS_SUCCESS);
  return tensor;
}

Descriptor& Plan::add_shape(const Shape& s, cudnnDataType_t computed_in) {
  Descriptor& shape = add(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  shape.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
  shape.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{computed_in});
  shape.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
            std::vector{CUDNN_CROSS_CORRELATION});
  shape.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {s.padding, s.padding});
  shape.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {s.padding, s.padding});
  shape.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
  shape.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {s.stride, s.stride});
  REQUIRE(shape.finalize() == CUDNN_STATUS_SUCCESS);
  return shape;
}

Descriptor& Plan::add_operation(Pass pass, Descriptor& x, Descriptor& w, Descriptor& y,
                                Descriptor& shape, bool in_double, double alpha, double beta) {
  const auto add_named = [&](auto type, auto of_x, auto of_w, auto of_y, auto of_shape,
                             auto of_alpha, auto of_beta) -> Descriptor& {
    Descriptor& operation = add(type);
    operation.set(of_x, x);
    operation.set(of_w, w);
    operation.set(of_y, y);
    operation.set(of_shape, shape);
    for (const auto& [attribute, value] : {std::pair{of_alpha, alpha}, {of_beta, beta}}) {
      if (in_double)
        operation.set(attribute, CUDNN_TYPE_DOUBLE, std::vector{value});
      else
        operation.set(attribute, CUDNN_TYPE_FLOAT, std::vector{static_cast<float>(value)});
    }
    REQUIRE(operation.finalize() == CUDNN_STATUS_SUCCESS);
    return operation;
  };
  switch (pass) {
    case Pass::forward:
      return add_named(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
    case Pass::backward_data:
      return add_named(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA);
    default:
      return add_named(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);
  }
}

Plan::Plan(Pass pass, const Shape& s, cudnnDataType_t type, double alpha, double beta) {
  const bool in_double = type == CUDNN_DATA_DOUBLE;
  Descriptor& x = add_tensor('x', {s.batch, s.channels, s.rows, s.columns}, type);
  Descriptor& w = add_tensor('w', {s.filters, s.channels, s.kernel, s.kernel}, type);
  Descriptor& y = add_tensor('y', {s.batch, s.filters, s.out_rows(), s.out_columns()}, type);
  Descriptor& shape = add_shape(s, in_double ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT);
  choose(add_operation(pass, x, w, y, shape, in_double, alpha, beta));
}

/// Chooses the first of the heuristics' configurations that has a plan.
void Plan::choose(Descriptor& operation) {
  Descriptor& device = add(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, std::vector<std::int32_t>{0});
  REQUIRE(device.finalize() == CUDNN_STATUS_SUCCESS);
  Descriptor& graph = add(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  REQUIRE(graph.finalize() == CUDNN_STATUS_SUCCESS);
  Descriptor& heuristics = add(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, std::vector{CUDNN_HEUR_MODE_A});
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  REQUIRE(heuristics.finalize() == CUDNN_STATUS_SUCCESS);

  std::vector<Descriptor*> configurations;
  std::vector<cudnnBackendDescriptor_t> results;
  for (int i = 0; i < 10; ++i) {
    configurations.push_back(&add(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
    results.push_back(configurations.back()->get());
  }
  std::int64_t count = 0;
  REQUIRE(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                   CUDNN_TYPE_BACKEND_DESCRIPTOR, 10, &count,
                                   results.data()) == CUDNN_STATUS_SUCCESS);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count) && i < 10; ++i) {
    Descriptor& plan = add(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, *configurations[i]);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
    if (plan.finalize() != CUDNN_STATUS_SUCCESS) continue;
    std::int64_t one = 0;
    cudnnBackendGetAttribute(plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
                             1, &one, &workspace_);
    plan_ = &plan;
    return;
  }
}

cudnnStatus_t Plan::execute(cudnnHandle_t handle, void* x, void* w, void* y,
                            void* workspace) const {
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, {'x', 'w', 'y'});
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::vector{x, w, y});
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, std::vector{workspace});
  REQUIRE(pack.finalize() == CUDNN_STATUS_SUCCESS);
  return cudnnBackendExecute(handle, plan_->get(), pack.get());
}

}  // namespace doubles::test
