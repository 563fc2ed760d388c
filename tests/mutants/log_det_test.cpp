// Log-determinants that are wrong on purpose: the checks must refuse each.
#include "retrace/layer/log_det.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

enum class Fault { none, omitted, by_sign, overwritten, in_gradient, other_bits };

/// y = exp(s)·x with one s for all elements.
struct Scale {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  Parameter<double, Cpu> s;
  Fault fault;

  Scale(Cpu& device, Fault wrong) : s(device, per_channel(1), false), fault(wrong) {
    fill(s.value.view(), 0.3);
  }
  Shape output_shape(Shape x) const { return x; }
  void forward(State& x, Run, LogDet<Cpu>* log_det = nullptr) {
    scale(x.view(), std::exp(s.value.data()[0]));
    if (log_det) add_to(*log_det, x.shape(), 1);
    if (log_det && fault == Fault::other_bits && !x.device().dry()) x.data()[0] += 1e-15;
  }
  void inverse(State& y, Run, LogDet<Cpu>* log_det = nullptr) {
    scale(y.view(), std::exp(-s.value.data()[0]));
    if (log_det) add_to(*log_det, y.shape(), fault == Fault::by_sign ? 1 : -1);
  }
  void backward(State& y, Gradient& dy, const LogDet<Cpu>* log_det = nullptr) {
    s.accumulate([&](View<double, Cpu> ds) {
      if (ds.device().dry()) return;
      ds.data()[0] += dot(values(y), values(dy));
      if (log_det && fault != Fault::in_gradient)
        ds.data()[0] += log_det->gradient * double(y.shape().size());
    });
    scale(dy.view(), std::exp(s.value.data()[0]));
    scale(y.view(), std::exp(-s.value.data()[0]));
  }
  template <class V>
  void inside(V visit) {
    visit("s", s);
  }

 private:
  void add_to(LogDet<Cpu>& log_det, Shape x, double sign) const {
    if (log_det.value.device().dry() || fault == Fault::omitted) return;
    const double all = sign * s.value.data()[0] * double(x.h * x.w * x.c);
    for (Index n = 0; n < x.n; ++n)
      log_det.value.data()[n] = (fault == Fault::overwritten ? 0 : log_det.value.data()[n]) + all;
  }
};

std::string found(Fault fault) {
  Cpu device;
  AnyLayer<double> layer = Scale(device, fault);
  const auto x = spread<double>(device, {2, 3, 2, 2});
  return contract::check_log_det(layer, x).text() + check_gradients(layer, x).text();
}

}  // namespace

TEST_CASE("a right log-determinant is accepted") { CHECK(found(Fault::none).empty()); }
TEST_CASE("an omitted log-determinant is refused") {
  CHECK_THAT(found(Fault::omitted), containing("the log-determinant of forward is 0 for image 0") &&
                                        containing("the log-determinant of inverse is 0"));
}
TEST_CASE("a log-determinant of inverse with the sign of forward is refused") {
  const std::string findings = found(Fault::by_sign);
  CHECK_THAT(findings, containing("the log-determinant of inverse"));
  CHECK_THAT(findings, !containing("the log-determinant of forward"));
}
TEST_CASE("a log-determinant that is set, not added, is refused") {
  CHECK_THAT(found(Fault::overwritten), containing("the log-determinant of forward"));
}
TEST_CASE("a gradient without the log-determinant is refused") {
  CHECK_THAT(found(Fault::in_gradient), containing("the gradient of s is"));
}
TEST_CASE("elements that depend on whether a log-determinant is wanted are refused") {
  CHECK_THAT(found(Fault::other_bits),
             containing("with a log-determinant, the elements have other bits"));
}
