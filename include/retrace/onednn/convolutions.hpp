// oneDNN as an alternative implementation of a device's convolutions.
#pragma once

#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "retrace/cpu/conv2d.hpp"
#include "retrace/onednn/plan.hpp"

namespace retrace::inline RETRACE_ISA::onednn {

/// The convolutions that oneDNN computes.
enum class Choice {
  fastest,   ///< those for which it is faster, measured once per shape
  nhwc,      ///< all, with activations in NHWC
  preferred  ///< all, with activations in oneDNN's preferred layout
};

/// Convolutions by oneDNN:
///
///     onednn::Convolutions convolutions;
///     device.set_convolutions(&convolutions);
///
/// With Choice::fastest, the first call for a shape measures the device's own kernels and oneDNN's
/// with the same number of threads. All later calls in this process make the same choice, so
/// recomputation gives the same bits, but another process may choose otherwise. Measuring takes
/// some tens of milliseconds and temporarily about 16 MiB that the meter does not count. The other
/// two choices give the same bits in every process.
///
/// The workspace comes from the device (Use::workspace): weights in oneDNN's layout, and a chunk of
/// images per thread, packed and computed. Two threads must not use an object at the same time.
class Convolutions : public ConvolutionBackend {
 public:
  explicit Convolutions(Choice choice = Choice::fastest) : choice_(choice) {}

  bool convolve(Out y, In x, In w, Index stride, const Prologue* prologue, Store how) override {
    const Plan* plan = plan_for(y.device(), problem(Pass::forward, x.shape(), w.shape(), stride));
    if (plan) plan->run(y, x, w, prologue, how);
    return plan;
  }
  bool input_gradient(Out dx, In dy, In w, Index stride, Store how) override {
    const Plan* plan =
        plan_for(dx.device(), problem(Pass::input_gradient, dx.shape(), w.shape(), stride));
    if (plan) plan->run(dx, dy, w, nullptr, how);
    return plan;
  }
  bool weight_gradient(Out dw, In x, In dy, Index stride, const Prologue* prologue) override {
    const Plan* plan =
        plan_for(dw.device(), problem(Pass::weight_gradient, x.shape(), dw.shape(), stride));
    if (plan) plan->add_weight_gradient(dw, x, dy, prologue);
    return plan;
  }

  /// Returns the choice for every shape so far: no layout means the device's own kernels.
  /// problem.images is the number of images in a chunk.
  std::map<Problem, std::optional<Layout>> choices() const {
    std::map<Problem, std::optional<Layout>> list;
    for (const auto& [key, chosen] : chosen_) list.emplace(key.second, chosen.layout);
    return list;
  }

 private:
  struct Chosen {
    std::optional<Layout> layout;
    std::unique_ptr<Plan> plan;
  };

  /// oneDNN is chosen only if it is faster by this factor, so that noise seldom decides. It also
  /// allows for a cold workspace within a network.
  static constexpr double margin = 1.2;
  static constexpr Index chunk_bytes = 256 * 1024, trial_bytes = 16 * 1024 * 1024;

  static Problem problem(Pass pass, Shape x, Shape w, Index stride) {
    return {pass, x.n, x.h, x.w, w.w, w.c, w.n, stride};
  }

  /// Chunks fill part of the cache. For weight gradients they are large enough that adding the
  /// gradients costs little compared with computing them.
  static Index chunk_images(Problem of) {
    const Index batch = std::exchange(of.images, 1);
    const Index image = 4 * (of.x().size() + of.y().size());
    const bool sums = of.pass == Pass::weight_gradient;
    const Index bytes = sums ? std::max(chunk_bytes, 4 * of.w().size()) : chunk_bytes;
    const Index images = std::max<Index>(bytes / std::max<Index>(image, 1), 1);
    return sums ? std::min(images, batch) : images;
  }

  /// Returns null if the device's own kernels are to be used.
  const Plan* plan_for(Cpu& device, Problem of) {
    if (of.images == 0 || of.height == 0 || of.width == 0) return nullptr;
    of.images = chunk_images(of);
    const auto [found, is_new] = chosen_.try_emplace({device.threads(), of});
    if (is_new) found->second = choose(device.threads(), of);
    return found->second.plan.get();
  }

  Chosen choose(int threads, const Problem& of) const {
    switch (choice_) {
      case Choice::nhwc:
        return {Layout::nhwc, std::make_unique<Plan>(engine_, of, Layout::nhwc)};
      case Choice::preferred:
        return {Layout::preferred, std::make_unique<Plan>(engine_, of, Layout::preferred)};
      case Choice::fastest:
        break;
    }
    Trial trial(threads, of);
    Chosen best;
    double least = trial.seconds(nullptr) / margin;
    for (Layout layout : {Layout::nhwc, Layout::preferred}) {
      auto plan = std::make_unique<Plan>(engine_, of, layout);
      const double seconds = trial.seconds(plan.get());
      if (seconds >= least) continue;
      least = seconds;
      best = {layout, std::move(plan)};
    }
    return best;
  }

  /// Times a batch that exceeds every cache, on its own device. As in most convolutions of
  /// networks, the input is normalised and activated by ReLU as it is read.
  class Trial {
   public:
    Trial(int threads, const Problem& chunk)
        : device_(threads),
          problem_(chunk),
          x_(device_, many(chunk.x())),
          y_(device_, many(chunk.y())),
          w_(device_, chunk.w()),
          ones_(device_, per_channel(chunk.inputs)) {
      for (auto* tensor : {&x_, &y_, &w_, &ones_}) fill(tensor->view(), 1.0f);
    }

    /// Returns the shortest of a few runs, by a plan or, if null, by the device's own kernels.
    double seconds(const Plan* plan) {
      using Clock = std::chrono::steady_clock;
      double least = std::numeric_limits<double>::infinity();
      for (int attempt = 0; attempt < 4; ++attempt) {
        const auto start = Clock::now();
        plan ? run(*plan) : run_own();
        if (attempt > 0)
          least = std::min(least, std::chrono::duration<double>(Clock::now() - start).count());
      }
      return least;
    }

   private:
    Shape many(Shape shape) const {
      const Index chunk = 4 * (problem_.x().size() + problem_.y().size());
      shape.n *= std::max<Index>(trial_bytes / chunk, device_.threads());
      return shape;
    }
    Prologue prologue() const {
      return {{ones_.view(), ones_.view(), ones_.view(), ones_.view()}, relu};
    }
    void run(const Plan& plan) {
      const In x = x_.view(), y = y_.view(), w = w_.view();
      const Prologue first = prologue();
      if (problem_.pass == Pass::forward)
        plan.run(y_.view(), x, w, &first, Store::set);
      else if (problem_.pass == Pass::input_gradient)
        plan.run(x_.view(), y, w, nullptr, Store::set);
      else
        plan.add_weight_gradient(w_.view(), x, y, &first);
    }
    void run_own() {
      const In x = x_.view(), y = y_.view(), w = w_.view();
      const Prologue first = prologue();
      if (problem_.pass == Pass::forward)
        conv2d(y_.view(), x, w, problem_.stride, &first);
      else if (problem_.pass == Pass::input_gradient)
        conv2d_input_gradient(x_.view(), y, w, problem_.stride);
      else
        conv2d_weight_gradient(w_.view(), x, y, problem_.stride, &first);
    }

    Cpu device_;
    Problem problem_;
    Tensor<float, Cpu> x_, y_, w_, ones_;
  };

  Choice choice_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  std::map<std::pair<int, Problem>, Chosen> chosen_;
};

}  // namespace retrace::inline RETRACE_ISA::onednn
