// The right-hand side of a differential equation, for images with times of their own.
#pragma once

#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/text.hpp"
#include "retrace/net/stage_sequence.hpp"

namespace retrace::inline RETRACE_ISA {

/// The times of one image: the begin of its interval, then those of its outputs, the last of which
/// is the end.
using ImageTimes = std::vector<double>;

/// dx/ds = f(t, x) with t = s; or, if images have times t_0 … t_K of their own, over s from 0 to K,
/// dx/ds = L·f(t, x) with t = t_k + L·(s − k) and L = t_{k+1} − t_k of each image in part k of the
/// solve, from s = k to k + 1.
template <class T, Device D>
class FieldRate {
 public:
  using Field = StageSequence<T, D>;
  using State = Tensor<T, D>;
  using Source = View<const T, D>;
  using Target = View<T, D>;
  using Tape = typename Field::Tape;

  /// @param times  of each image; empty if t = s
  FieldRate(Field& field, const std::vector<ImageTimes>& times) : field_(field), times_(times) {}

  /// Sets the part of the solve for the next calls.
  void set_part(std::size_t part) { part_ = part; }

  /// k = dx/ds.
  void evaluate(Target k, Source x, double s, Tape* tape) {
    field_.evaluate(k, x, time(s), tape);
    scale_images(k);
  }
  /// dx = (∂k/∂x)ᵀ dk. Overwrites dk.
  void gradient(Source x, State& dk, Target dx, Tape& tape) {
    scale_images(dk.view());
    field_.gradient(x, std::as_const(dk).view(), dx, tape);
  }

 private:
  Time time(double s) const {
    Time time{.of_all = s};
    const double share = s - static_cast<double>(part_);
    for (const ImageTimes& of : times_)
      time.of_images.push_back(of[part_] + (of[part_ + 1] - of[part_]) * share);
    return time;
  }
  void scale_images(Target k) const {
    for (std::size_t i = 0; i < times_.size(); ++i)
      scale(k.images(static_cast<Index>(i), 1), times_[i][part_ + 1] - times_[i][part_]);
  }

  Field& field_;
  const std::vector<ImageTimes>& times_;
  std::size_t part_ = 0;
};

/// @throws std::invalid_argument unless all images have the same number of times, at least two,
///         which are finite and increase.
inline void require_times(const std::vector<ImageTimes>& times) {
  for (std::size_t i = 0; i < times.size(); ++i) {
    const std::string image = "image " + std::to_string(i) + " has ";
    if (times[i].size() < 2 || times[i].size() != times[0].size())
      throw std::invalid_argument(image + std::to_string(times[i].size()) +
                                  " times, but every image needs as many as image 0, at least 2");
    for (std::size_t k = 1; k < times[i].size(); ++k)
      if (!std::isfinite(times[i][k - 1]) || !std::isfinite(times[i][k]) ||
          !(times[i][k] > times[i][k - 1]))
        throw std::invalid_argument(image + "the time " + short_text(times[i][k]) + " behind " +
                                    short_text(times[i][k - 1]) + ", but times must increase");
  }
}

}  // namespace retrace::inline RETRACE_ISA
