// Convolutions by cuDNN: one plan per pass, with a deterministic algorithm.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "context.hpp"
#include "cudnn_descriptor.hpp"

namespace retrace::kernels {

void check(cudnnStatus_t status, const char* call, const char* file, int line) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[256] = {};
  cudnnGetLastErrorString(detail, sizeof detail);
  throw DeviceError(std::string(file) + ':' + std::to_string(line) + ": " + call + ": " +
                    cudnnGetErrorString(status) + (detail[0] ? std::string(": ") + detail : ""));
}

namespace {

cudnnDataType_t data_type(ElementType type) {
  switch (type) {
    case ElementType::float64:
      return CUDNN_DATA_DOUBLE;
    case ElementType::float32:
      return CUDNN_DATA_FLOAT;
    case ElementType::half:
      return CUDNN_DATA_HALF;
    case ElementType::bfloat16:
      break;
  }
  return CUDNN_DATA_BFLOAT16;
}
/// Returns the type in which products are summed.
cudnnDataType_t sum_type(ElementType type) {
  return type == ElementType::float64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
}
std::int64_t bytes_of(ElementType type) {
  return type == ElementType::float64 ? 8 : type == ElementType::float32 ? 4 : 2;
}

/// Describes a tensor [a, channels, h, w], in cuDNN's order, with channels innermost in memory.
Descriptor tensor(std::int64_t id, ElementType type, std::int64_t a, std::int64_t channels,
                  std::int64_t h, std::int64_t w, std::int64_t pitch, bool aligned = true) {
  Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{data_type(type)});
  t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, {a, channels, h, w});
  t.set(CUDNN_ATTR_TENSOR_STRIDES, {h * w * pitch, 1, w * pitch, pitch});
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, {id});
  const std::int64_t element = bytes_of(type);
  t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {aligned && pitch * element % 16 == 0 ? 16 : element});
  t.finish();
  return t;
}

Descriptor geometry(const Convolution& c, ElementType type) {
  Descriptor g(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const std::int64_t before = c.kernel / 2;
  // The number of pixels that the last window reads beyond the image.
  const auto behind = [&](std::int64_t x, std::int64_t y) {
    return std::max<std::int64_t>((y - 1) * c.stride + c.kernel - before - x, 0);
  };
  g.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
  g.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, std::vector{sum_type(type)});
  g.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
        std::vector{CUDNN_CROSS_CORRELATION});
  g.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {before, before});
  g.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {behind(c.x_h, c.y_h), behind(c.x_w, c.y_w)});
  g.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
  g.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {c.stride, c.stride});
  g.finish();
  return g;
}

/// The attribute names of an operation.
struct OperationNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, w, y, geometry, alpha, beta;
};

OperationNames names_of(ConvolutionPass pass) {
  switch (pass) {
    case ConvolutionPass::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvolutionPass::input_gradient:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvolutionPass::weight_gradient:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

/// An execution plan and all descriptors that it refers to.
struct Plan {
  std::vector<Descriptor> parts;
  std::optional<Descriptor> plan;  ///< empty if cuDNN cannot compute the pass
  std::int64_t workspace = -1;

  Descriptor& keep(Descriptor part) {
    parts.push_back(std::move(part));
    return parts.back();
  }
};

class Cudnn final : public ConvolutionLibrary {
 public:
  Cudnn(cudaStream_t stream, int device, const ContextOptions& options)
      : device_(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR), options_(options) {
    device_.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32,
                std::vector<std::int32_t>{device});
    device_.finish();
    check(cudnnCreate(&handle_), "cudnnCreate");
    try {
      check(cudnnSetStream(handle_, stream), "cudnnSetStream");
    } catch (...) {
      cudnnDestroy(handle_);
      throw;
    }
  }
  ~Cudnn() override {
    plans_.clear();
    cudnnDestroy(handle_);
  }

  std::int64_t workspace(const Convolution& c, ElementType type) override {
    return plan_of(c, type).workspace;
  }

  void run(const Convolution& c, ElementType type, void* x, void* w, void* y,
           void* workspace) override {
    const Plan& plan = plan_of(c, type);
    Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, {'x', 'w', 'y'});
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, std::vector{x, w, y});
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, std::vector{workspace});
    pack.finish();
    check(cudnnBackendExecute(handle_, plan.plan->handle(), pack.handle()), "cudnnBackendExecute");
  }

 private:
  using Key = std::tuple<ConvolutionPass, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                         std::int64_t, std::int64_t, Store, bool, ElementType>;

  const Plan& plan_of(const Convolution& c, ElementType type) {
    const Key key{c.pass,    c.n,       c.x_h,    c.x_w,    c.inputs, c.x_pitch, c.y_h, c.y_w,
                  c.outputs, c.y_pitch, c.kernel, c.stride, c.how,    c.aligned, type};
    const auto [at, is_new] = plans_.try_emplace(key);
    if (is_new) make(at->second, c, type);
    return at->second;
  }

  void make(Plan& plan, const Convolution& c, ElementType type) {
    plan.parts.reserve(16);  // the parts refer to one another
    const Descriptor& x =
        plan.keep(tensor('x', type, c.n, c.inputs, c.x_h, c.x_w, c.x_pitch, c.aligned));
    const Descriptor& w =
        plan.keep(tensor('w', type, c.outputs, c.inputs, c.kernel, c.kernel, c.inputs));
    const Descriptor& y =
        plan.keep(tensor('y', type, c.n, c.outputs, c.y_h, c.y_w, c.y_pitch, c.aligned));
    const Descriptor& shape = plan.keep(geometry(c, type));
    const OperationNames names = names_of(c.pass);
    Descriptor operation(names.type);
    operation.set(names.x, x);
    operation.set(names.w, w);
    operation.set(names.y, y);
    operation.set(names.geometry, shape);
    set_number(operation, names.alpha, c.how == Store::subtract ? -1 : 1, type);
    set_number(operation, names.beta, c.how == Store::set ? 0 : 1, type);
    operation.finish();
    Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, plan.keep(std::move(operation)));
    graph.finish();
    choose(plan, plan.keep(std::move(graph)), type);
  }

  static void set_number(Descriptor& operation, cudnnBackendAttributeName_t name, double value,
                         ElementType type) {
    if (type == ElementType::float64)
      operation.set(name, CUDNN_TYPE_DOUBLE, std::vector{value});
    else
      operation.set(name, CUDNN_TYPE_FLOAT, std::vector{static_cast<float>(value)});
  }

  /// Chooses the first allowed algorithm: first among those that cuDNN expects to be fastest, then
  /// among its fallbacks for any shape.
  void choose(Plan& plan, const Descriptor& graph, ElementType type) {
    for (cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
      choose(plan, graph, type, mode);
      if (plan.plan) return;
    }
  }

  void choose(Plan& plan, const Descriptor& graph, ElementType type, cudnnBackendHeurMode_t mode) {
    constexpr std::size_t most = 64;
    Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, std::vector{mode});
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device_);
    if (!heuristics.can_finish()) return;
    std::vector<Descriptor> found;
    std::vector<cudnnBackendDescriptor_t> handles;
    for (std::size_t i = 0; i < most; ++i) {
      found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      handles.push_back(found.back().handle());
    }
    const std::int64_t count =
        heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, handles);
    for (std::size_t i = 0; i < std::min(most, static_cast<std::size_t>(count)); ++i) {
      if (!may_be_used(found[i], type)) continue;
      Descriptor candidate(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      candidate.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, found[i]);
      candidate.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device_);
      if (!candidate.can_finish()) continue;
      const std::int64_t bytes = candidate.get_integer(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
      if (bytes > static_cast<std::int64_t>(options_.workspace_limit)) continue;
      plan.workspace = bytes;
      plan.keep(std::move(found[i]));
      plan.plan = std::move(candidate);
      return;
    }
  }

  /// Returns whether an algorithm is deterministic and does not round sums. Unless TF32 is allowed,
  /// it must not round float inputs either.
  bool may_be_used(const Descriptor& configuration, ElementType type) const {
    std::vector<cudnnBackendDescriptor_t> engine(1);
    Descriptor place(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    engine[0] = place.handle();
    configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, engine);
    std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
    const std::int64_t count =
        place.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, notes);
    notes.resize(static_cast<std::size_t>(count));
    const auto noted = [&](cudnnBackendNumericalNote_t note) {
      return std::find(notes.begin(), notes.end(), note) != notes.end();
    };
    if (noted(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) ||
        noted(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION))
      return false;
    const bool rounds =
        noted(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS) || noted(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    return type != ElementType::float32 || options_.convolutions == ConvolutionType::tf32 ||
           !rounds;
  }

  Descriptor device_;
  ContextOptions options_;
  cudnnHandle_t handle_ = nullptr;
  std::map<Key, Plan> plans_;
};

}  // namespace

std::unique_ptr<ConvolutionLibrary> make_convolution_library(cudaStream_t stream, int device,
                                                             const ContextOptions& options) {
  return std::make_unique<Cudnn>(stream, device, options);
}

}  // namespace retrace::kernels
