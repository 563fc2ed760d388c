// The double of cuDNN: real graphs and plans, executed by loops.
#include <cmath>

#include "cuda/doubles/cudnn_control.hpp"
#include "cuda/doubles/testing/cudnn_graph.hpp"
#include "cuda/emulator/testing.hpp"

namespace doubles::test {
namespace {

using emulator::test::Array;
using emulator::test::error_of_device;

class Dnn {
 public:
  Dnn() { cudnnCreate(&handle_); }
  ~Dnn() { cudnnDestroy(handle_); }
  Dnn(const Dnn&) = delete;
  Dnn& operator=(const Dnn&) = delete;
  operator cudnnHandle_t() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

/// Executes a plan.
void run(const Plan& plan, void* x, void* w, void* y) {
  REQUIRE(plan.found());
  const Dnn dnn;
  const Array<char> workspace(static_cast<std::size_t>(plan.workspace()) + 1);
  REQUIRE(plan.execute(dnn, x, w, y, workspace.get()) == CUDNN_STATUS_SUCCESS);
  REQUIRE(error_of_device() == "");
}

/// Returns integers whose products and sums every type represents exactly.
template <class T>
Array<T> numbers(std::int64_t count, int seed) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (auto& value : values) value = T(static_cast<float>((seed = seed * 5 % 7) - 3));
  return Array<T>(values);
}

template <class T>
double dot(const Array<T>& a, const Array<T>& b) {
  const auto of_a = a.values(), of_b = b.values();
  double sum = 0;
  for (std::size_t i = 0; i < of_a.size(); ++i)
    sum += static_cast<double>(of_a[i]) * static_cast<double>(of_b[i]);
  return sum;
}

template <class T>
constexpr cudnnDataType_t type_of = CUDNN_DATA_FLOAT;
template <>
constexpr cudnnDataType_t type_of<double> = CUDNN_DATA_DOUBLE;
template <>
constexpr cudnnDataType_t type_of<__half> = CUDNN_DATA_HALF;
template <>
constexpr cudnnDataType_t type_of<__nv_bfloat16> = CUDNN_DATA_BFLOAT16;

TEMPLATE_TEST_CASE("a convolution and its derivatives are adjoint", "", float, double, __half,
                   __nv_bfloat16) {
  using T = TestType;
  const Shape s{2, 8, 5, 5, 8, 3, 1, GENERATE(1, 2)};
  const auto pixels = s.batch * s.out_rows() * s.out_columns();
  const auto x = numbers<T>(s.batch * s.rows * s.columns * s.channels, 1);
  const auto w = numbers<T>(s.filters * s.kernel * s.kernel * s.channels, 2);
  const auto dy = numbers<T>(pixels * s.filters, 3);
  const Array<T> y(static_cast<std::size_t>(pixels * s.filters)), dx(x.values()), dw(w.values());
  run(Plan(Pass::forward, s, type_of<T>), x.get(), w.get(), y.get());
  run(Plan(Pass::backward_data, s, type_of<T>), dx.get(), w.get(), dy.get());
  run(Plan(Pass::backward_filter, s, type_of<T>), x.get(), dw.get(), dy.get());
  const double tolerance = sizeof(T) == 2 ? 0.01 * std::abs(dot(y, dy)) + 20 : 0;
  REQUIRE(std::abs(dot(x, dx) - dot(y, dy)) <= tolerance);
  REQUIRE(std::abs(dot(w, dw) - dot(y, dy)) <= tolerance);
  REQUIRE(dot(y, y) > 0);
}

TEST_CASE("a convolution by hand, scaled and added to") {
  const Shape s{1, 4, 1, 3, 4, 1, 0, 1};
  std::vector<float> x(12, 0.0f), w(16, 0.0f), y(12, 1.0f);
  for (std::size_t j = 0; j < 3; ++j) x[4 * j + 1] = static_cast<float>(j + 1);  // channel 1
  w[2 * 4 + 1] = 10;                                                             // filter 2
  const Array<float> of_x(x), of_w(w), of_y(y);
  run(Plan(Pass::forward, s, CUDNN_DATA_FLOAT, 2, 3), of_x.get(), of_w.get(), of_y.get());
  REQUIRE(of_y.values() == std::vector<float>{3, 3, 23, 3, 3, 3, 43, 3, 3, 3, 63, 3});
}

TEST_CASE("a filter moves by its stride over padded rows and columns") {
  const Shape s{1, 4, 5, 7, 4, 3, 1, 2};
  std::vector<float> x(140, 0.0f), w(144, 0.0f);
  for (std::size_t pixel = 0; pixel < 35; ++pixel) x[4 * pixel] = static_cast<float>(pixel);
  w[4 * (0 * 3 + 2)] = 1;  // filter 0 reads the pixel above right
  const Array<float> of_x(x), of_w(w), of_y(48);
  run(Plan(Pass::forward, s, CUDNN_DATA_FLOAT), of_x.get(), of_w.get(), of_y.get());
  const auto y = of_y.values();
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      const bool inside = i > 0 && j < 3;
      REQUIRE(y[4 * (i * 4 + j)] == (inside ? static_cast<float>((2 * i - 1) * 7 + 2 * j + 1) : 0));
    }
  }
}

TEST_CASE("each architecture has plans with a workspace size") {
  const Shape s{8, 64, 16, 16, 64, 3, 1, 1};
  for (const int capability : {75, 80, 90, 120}) {
    set_capability(capability);
    for (const Pass pass : {Pass::forward, Pass::backward_data, Pass::backward_filter}) {
      for (const auto type : {CUDNN_DATA_FLOAT, CUDNN_DATA_HALF}) {
        CAPTURE(capability, static_cast<int>(pass), static_cast<int>(type));
        const Plan plan(pass, s, type);
        REQUIRE(plan.found());
        REQUIRE(plan.workspace() < 256 << 20);
      }
    }
  }
  set_capability(90);
}

TEST_CASE("errors that cuDNN refuses are refused, and errors that crash a GPU are reported") {
  const Shape s{2, 8, 5, 5, 8, 3, 1, 1};
  const auto x = numbers<float>(400, 1), w = numbers<float>(576, 2), y = numbers<float>(400, 3);
  const Plan plan(Pass::backward_filter, s, CUDNN_DATA_FLOAT);
  const Array<char> workspace(static_cast<std::size_t>(plan.workspace()) + 1);
  const Dnn dnn;
  REQUIRE(plan.execute(nullptr, x.get(), w.get(), y.get(), nullptr) == CUDNN_STATUS_BAD_PARAM);
  const auto error_with = [&](void* of_x, void* of_workspace) {
    plan.execute(dnn, of_x, w.get(), y.get(), of_workspace);
    return error_of_device();
  };
  REQUIRE(error_with(x.get(), workspace.get()) == "");
  REQUIRE_THAT(error_with(x.get() + 1, workspace.get()), containing("tensor x of a convolution is "
                                                                    "not aligned"));
  REQUIRE_THAT(error_with(x.get() + 4, workspace.get()), containing("not inside a device"));
  if (plan.workspace() > 0)
    REQUIRE_THAT(error_with(x.get(), nullptr), containing("a plan's workspace"));
  emulator::fail_call("cudnnBackendExecute", 1, CUDNN_STATUS_EXECUTION_FAILED);
  REQUIRE(plan.execute(dnn, x.get(), w.get(), y.get(), nullptr) == CUDNN_STATUS_EXECUTION_FAILED);
}

TEST_CASE("leaked descriptors are reported") {
  REQUIRE(emulator::leaks().empty());
  {
    const Descriptor one(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    REQUIRE(emulator::leaks() == std::vector<std::string>{"1 cuDNN descriptors"});
  }
  REQUIRE(emulator::leaks().empty());
}

}  // namespace
}  // namespace doubles::test
