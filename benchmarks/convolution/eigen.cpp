#include "eigen.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <memory>

#include "retrace/cpu/channel_sums.hpp"

namespace convolution {

using namespace retrace;
using onednn::Pass, onednn::Problem;

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Map = Eigen::Map<Matrix>;

/// A pass and its data. With a stride of 1, the input gradient is itself a convolution, of dy.
class EigenConvolution {
 public:
  EigenConvolution(Cpu& device, const Problem& problem)
      : device_(device),
        pass_(problem.pass),
        from_(device, pass_ == Pass::input_gradient ? problem.y() : problem.x()),
        to_(device, pass_ == Pass::input_gradient ? problem.x() : problem.y()),
        weights_(device, {problem.kernel, problem.kernel, from_.shape().c, to_.shape().c}),
        kernel_(problem.kernel),
        rows_(std::clamp<Index>(matrix_bytes / (4 * from_.shape().w * columns()), 1,
                                from_.shape().h)),
        matrices_(device, rows_ * from_.shape().w * columns()),
        sums_(device, pass_ == Pass::weight_gradient ? weights_.shape().size() : 0) {
    for (auto* each : {&from_, &to_, &weights_}) fill(each->view(), 0.5f);
  }

  void run() {
    const Shape shape = from_.shape();
    const Index bands = (shape.h + rows_ - 1) / rows_;
    const Work work{static_cast<double>(to_.shape().size() * columns()), 0};
    device_.parallel_shares(device_.threads(), shape.n * bands, work,
                            [&](Index first, Index last, int thread, Index share) {
                              Map sum(sums_.row(share), columns(), to_.shape().c);
                              if (pass_ == Pass::weight_gradient) sum.setZero();
                              for (Index band = first; band < last; ++band) {
                                const Index image = band / bands, top = band % bands * rows_;
                                const Index rows = std::min(rows_, shape.h - top);
                                write_out(matrices_.row(thread), image, top, rows);
                                const Map matrix(matrices_.row(thread), rows * shape.w, columns());
                                Map out(to_.view().pixel((image * shape.h + top) * shape.w),
                                        rows * shape.w, to_.shape().c);
                                if (pass_ == Pass::weight_gradient)
                                  sum.noalias() += matrix.transpose() * out;
                                else
                                  out.noalias() =
                                      matrix * Map(weights_.data(), columns(), to_.shape().c);
                              }
                            });
    if (pass_ != Pass::weight_gradient) return;
    Map total(weights_.data(), columns(), to_.shape().c);
    for (int thread = 0; thread < device_.threads(); ++thread)
      total += Map(sums_.row(thread), columns(), to_.shape().c);
  }

 private:
  static constexpr Index matrix_bytes = 256 * 1024;

  Index columns() const { return kernel_ * kernel_ * from_.shape().c; }

  /// Writes one matrix row per pixel: the window around it.
  void write_out(float* to, Index image, Index top, Index rows) const {
    const Shape shape = from_.shape();
    for (Index h = top; h < top + rows; ++h)
      for (Index w = 0; w < shape.w; ++w)
        for (Index y = h - kernel_ / 2; y <= h + kernel_ / 2; ++y)
          for (Index x = w - kernel_ / 2; x <= w + kernel_ / 2; ++x, to += shape.c)
            if (y < 0 || y >= shape.h || x < 0 || x >= shape.w)
              std::fill_n(to, shape.c, 0.0f);
            else
              std::copy_n(from_.view().pixel((image * shape.h + y) * shape.w + x), shape.c, to);
  }

  Cpu& device_;
  Pass pass_;
  Tensor<float, Cpu> from_, to_, weights_;
  Index kernel_, rows_;
  cpu::ThreadRows<float> matrices_, sums_;
};

}  // namespace

std::function<void()> eigen_convolution(Cpu& device, const Problem& problem) {
  if (problem.stride != 1) return {};
  const auto convolution = std::make_shared<EigenConvolution>(device, problem);
  return [convolution] { convolution->run(); };
}

}  // namespace convolution
