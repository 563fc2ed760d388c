// Every operation gives the same results on a GPU as on the host, on packed and on pitched views.
#include "cuda/devices.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Channel counts that fill packs and that do not, below and above the threads of a block; one
/// pixel and many.
const std::vector<Shape> shapes{
    {2, 4, 6, 8}, {3, 5, 7, 3}, {1, 1, 1, 5}, {2, 3, 3, 300}, {5, 9, 11, 4}};

/// Runs operation(device, operands) with `count` operands of every shape and margin.
template <class T, class Operation>
void check_everywhere(std::size_t count, double roundings, Operation operation) {
  for (Shape shape : shapes)
    for (Margin margin : margins) {
      CAPTURE(to_string(shape), margin.before, margin.behind);
      CHECK(distance<T>(std::vector<Shape>(count, shape), margin, operation) <= roundings);
    }
}

/// A normalisation with random coefficients on a device.
template <class T, class D>
struct RandomNorm {
  Tensor<T, D> numbers;  ///< mean, 1/σ, scale, shift

  RandomNorm(D& device, Index channels) : numbers(device, {4, 1, 1, channels}) {
    Values list = normal_values(4 * channels, 17);
    for (double& value : list) value = std::abs(value) + 0.5;
    numbers = moved<T>(device, list, {4, 1, 1, channels});
  }
  ChannelNorm<T, D> view() const {
    const auto of = [&](Index i) { return numbers.view().images(i, 1); };
    return {of(0), of(1), of(2), of(3)};
  }
};

template <class D>
Values zeros_then(D& device, Index count, const auto& fill_in) {
  Tensor<double, D> sums(device, per_channel(count));
  fill(sums.view(), 0);
  fill_in(sums.view());
  return values(sums);
}

}  // namespace

TEMPLATE_TEST_CASE("elements are filled, copied, added, exchanged and scaled", "", float, double) {
  using T = TestType;
  check_everywhere<T>(1, 0, [](auto&, auto& x) {
    fill(x[0], 3);
    return Values{};
  });
  check_everywhere<T>(2, 0, [](auto&, auto& x) {
    copy(x[0], x[1]);
    return Values{};
  });
  for (Store how : {Store::add, Store::subtract})
    check_everywhere<T>(2, 0, [how](auto&, auto& x) {
      add(x[0], x[1], how);
      return Values{};
    });
  check_everywhere<T>(2, 0, [](auto&, auto& x) {
    swap_halves(x[0], x[1]);
    return Values{};
  });
}

TEMPLATE_TEST_CASE("an affine coupling scales, shifts, undoes both and goes back", "", float,
                   double) {
  using T = TestType;
  for (Index factor : {1, 2})
    for (Shape shape : shapes)
      for (Margin margin : margins) {
        const Shape values = with_channels(shape, factor * shape.c);
        CHECK(distance<T>({shape, values}, margin, [](auto&, auto& x) {
                scale_and_shift(x[0], x[1], 1.5);
                return Values{};
              }) <= 8);
        CHECK(distance<T>({shape, values}, margin, [](auto&, auto& x) {
                unscale_and_unshift(x[0], x[1], 1.5);
                return Values{};
              }) <= 8);
        CHECK(distance<T>({shape, shape, values}, margin, [](auto&, auto& x) {
                scale_and_shift_backward(x[0], x[1], x[2], 1.5);
                return Values{};
              }) <= 8);
      }
}

TEMPLATE_TEST_CASE("whole tensors are reduced", "", float, double) {
  using T = TestType;
  check_everywhere<T>(2, 64, [](auto&, auto& x) {
    const auto sums = signal_noise(x[0], x[1]);
    return Values{largest_magnitude(x[0]), sums.signal, sums.noise,
                  static_cast<double>(all_finite(x[0]))};
  });
}

TEMPLATE_TEST_CASE("a NaN and an infinity are found wherever they are", "", float, double) {
  using T = TestType;
  Cuda gpu;
  for (Shape shape : shapes)
    for (T wrong : {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity()})
      for (Index at : {Index{0}, shape.size() / 2, shape.size() - 1}) {
        Values list = normal_values(shape.size(), 3);
        list[static_cast<std::size_t>(at)] = static_cast<double>(wrong);
        CHECK_FALSE(all_finite(moved<T>(gpu, list, shape).view()));
      }
}

TEMPLATE_TEST_CASE("channels are measured", "", float, double) {
  using T = TestType;
  check_everywhere<T>(1, 64, [](auto& device, auto& x) {
    return zeros_then(device, 2 * x[0].shape().c, [&](auto sums) {
      const Index channels = x[0].shape().c;
      channel_moments(x[0], sums.channels(0, channels), sums.channels(channels, channels));
    });
  });
  check_everywhere<T>(1, 256, [](auto& device, auto& x) {
    auto sums = moved<T>(device, normal_values(x[0].shape().c, 4), per_channel(x[0].shape().c));
    add_pixel_sums(sums.view(), x[0]);
    return values(sums);
  });
}

TEMPLATE_TEST_CASE("variances far from zero do not cancel", "", float, double) {
  using T = TestType;
  // Σx²/m − μ² would have an error of a million roundings.
  check_everywhere<T>(1, 1024, [](auto& device, auto& x) {
    const Index channels = x[0].shape().c;
    Tensor<T, std::remove_reference_t<decltype(device)>> shift(device, per_channel(channels));
    fill(shift.view(), T(1000));
    add_to_pixels(x[0], shift.view());
    return zeros_then(device, channels, [&](auto variance) {
      auto mean = clone(variance);
      channel_moments(x[0], mean.view(), variance);
    });
  });
}

TEMPLATE_TEST_CASE("moments that are not finite leave the running averages alone", "", float,
                   double) {
  using T = TestType;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(),
                   infinite = std::numeric_limits<double>::infinity();
  const Values means{1, nan, 1, -infinite, 1}, variances{1, 1, infinite, 1, nan};
  const auto averages = [&](auto&& device) {
    using D = std::remove_reference_t<decltype(device)>;
    const auto mean = moved<double>(device, means, per_channel(5));
    const auto variance = moved<double>(device, variances, per_channel(5));
    Tensor<T, D> numbers(device, {4, 1, 1, 5});
    fill(numbers.view(), T(0.5));
    const auto row = [&](Index i) { return numbers.view().images(i, 1); };
    record_statistics(row(0), row(1), row(2), row(3), mean.view(), variance.view(), 20, 1e-5, 0.1,
                      true);
    return values(std::as_const(numbers).view().images(2, 2));
  };
  const Values found = averages(Cuda());
  CHECK(found == averages(Cpu(1)));
  CHECK(found[0] == Approx(0.55));
  CHECK(found[5] == Approx(0.45 + 0.1 * 20 / 19));
  for (std::size_t channel : {1, 2, 3, 4}) {
    CAPTURE(channel);
    CHECK(found[channel] == 0.5);
    CHECK(found[5 + channel] == 0.5);
  }
}

TEMPLATE_TEST_CASE("statistics are recorded, recalled and folded", "", float, double) {
  using T = TestType;
  for (bool update : {false, true})
    for (bool positive : {false, true})
      for (Index channels : {1, 7, 300}) {
        const std::vector<Shape> vectors(9, per_channel(channels));
        CHECK(distance<T>(vectors, {0, 0}, [=](auto& device, auto& x) {
                using D = std::remove_reference_t<decltype(device)>;
                Values measured = normal_values(2 * channels, 5);
                for (double& value : measured) value = std::abs(value) + 0.1;
                const auto batch = moved<double, D>(device, measured, {2, 1, 1, channels});
                activate(x[3], relu);  // variances must not be negative
                record_statistics(x[0], x[1], x[2], x[3], batch.view().images(0, 1),
                                  batch.view().images(1, 1), 20, 1e-5, 0.1, update);
                fold_normalisation(x[4], x[5], x[0], x[1], x[6], x[7],
                                   math::ScaleRule{positive, 0.1});
                recall_statistics(x[0], x[1], x[2], x[3], 1e-5);
                add_normalisation_gradient(x[7], x[8], x[6], batch.view(),
                                           math::ScaleRule{positive, 0.1});
                return Values{};
              }) <= 4);
      }
}

TEMPLATE_TEST_CASE("normalisations and activations go forward, back and undo themselves", "", float,
                   double) {
  using T = TestType;
  for (Activation activation : {identity, leaky_relu(0.25)}) {
    check_everywhere<T>(2, 4, [=](auto& device, auto& x) {
      RandomNorm<T, std::remove_reference_t<decltype(device)>> norm(device, x[0].shape().c);
      normalise_activate(x[0], x[1], norm.view(), activation);
      return Values{};
    });
    check_everywhere<T>(1, 16, [=](auto& device, auto& x) {
      RandomNorm<T, std::remove_reference_t<decltype(device)>> norm(device, x[0].shape().c);
      invert_normalise_activate(x[0], norm.view(), activation);
      return Values{};
    });
    check_everywhere<T>(2, 256, [=](auto& device, auto& x) {
      RandomNorm<T, std::remove_reference_t<decltype(device)>> norm(device, x[0].shape().c);
      return zeros_then(device, 2 * x[0].shape().c, [&](auto sums) {
        normalise_activate_sums(sums, x[0], x[1], norm.view(), activation);
      });
    });
    check_everywhere<T>(2, 256, [=](auto& device, auto& x) {
      RandomNorm<T, std::remove_reference_t<decltype(device)>> norm(device, x[0].shape().c);
      return zeros_then(device, 2 * x[0].shape().c, [&](auto sums) {
        invert_normalise_activate_sums(sums, x[0], x[1], norm.view(), activation);
      });
    });
    for (Store how : {Store::set, Store::add, Store::subtract})
      check_everywhere<T>(3, 16, [=](auto& device, auto& x) {
        using D = std::remove_reference_t<decltype(device)>;
        const Index channels = x[0].shape().c;
        RandomNorm<T, D> norm(device, channels);
        const auto sums =
            moved<double, D>(device, normal_values(2 * channels, 6), {1, 1, 2, channels});
        const GradientSums<D> batch{sums.view(), x[0].shape().pixels()};
        normalise_activate_backward(x[0], x[1], x[2], batch, norm.view(), activation, how);
        take_off_gradient_means(x[0], x[1], batch, norm.view());
        return Values{};
      });
    check_everywhere<T>(2, 2, [=](auto&, auto& x) {
      activate(x[0], activation);
      activate_backward(x[0], x[1], activation);
      deactivate(x[0], activation);
      return Values{};
    });
  }
}

TEMPLATE_TEST_CASE("poolings permute, choose and average", "", float, double) {
  using T = TestType;
  for (Shape shape : {Shape{2, 4, 6, 8}, Shape{3, 2, 2, 3}, Shape{1, 8, 4, 17}}) {
    CHECK(distance<T>({shape}, {0, 0}, [](auto&, auto& x) {
            channel_pool(x[0]);
            return Values{};
          }) == 0);
    CHECK(distance<T>({shape}, {0, 0}, [](auto&, auto& x) {
            channel_unpool(x[0]);
            return Values{};
          }) == 0);
    CHECK(distance<T>({shape}, {0, 0}, [](auto&, auto& x) {
            batch_pool(x[0]);
            return Values{};
          }) == 0);
    CHECK(distance<T>({shape}, {0, 0}, [](auto&, auto& x) {
            batch_unpool(x[0]);
            return Values{};
          }) == 0);
    const Shape half{shape.n, shape.h / 2, shape.w / 2, shape.c};
    for (Margin margin : margins) {
      CHECK(distance<T>({half, shape, shape, half}, margin, [=](auto& device, auto& x) {
              using D = std::remove_reference_t<decltype(device)>;
              Tensor<std::uint8_t, D> largest(device, half);
              max_pool(x[0], largest.view(), x[1]);
              max_pool_backward(x[2], x[3], largest.view());
              return values(largest);
            }) == 0);
      CHECK(distance<T>({{1, 1, 1, shape.c}, {shape.n, 1, 1, shape.c}, shape, shape}, margin,
                        [](auto&, auto& x) {
                          global_average(x[0], x[2]);
                          global_average(x[1], x[2]);
                          global_average_backward(x[3], x[1]);
                          return Values{};
                        }) <= 1);
    }
  }
}

namespace {

struct ConvolutionCase {
  Shape x;
  Index outputs, kernel, stride;
};
const std::vector<ConvolutionCase> convolution_cases{{{2, 5, 7, 3}, 8, 3, 1},
                                                     {{2, 6, 5, 8}, 70, 3, 2},
                                                     {{1, 4, 4, 66}, 5, 1, 1},
                                                     {{3, 7, 7, 4}, 4, 5, 2},
                                                     {{2, 9, 9, 16}, 16, 3, 1}};

/// Runs all three passes. Returns x, y and dx afterwards, and the weight gradient.
template <class T>
double convolution_distance(const ConvolutionCase& each, Margin margin, Store how, bool normalises,
                            const CudaOptions& options) {
  const Shape w{each.kernel, each.kernel, each.x.c, each.outputs};
  const Index s = each.stride;
  const Shape y{each.x.n, (each.x.h + s - 1) / s, (each.x.w + s - 1) / s, each.outputs};
  return distance<T>(
      {each.x, y, each.x}, margin,
      [=](auto& device, auto& x) {
        using D = std::remove_reference_t<decltype(device)>;
        RandomNorm<T, D> norm(device, each.x.c);
        const NormActivation<T, D> activated{norm.view(), relu};
        const auto* prologue = normalises ? &activated : nullptr;
        const auto weights = moved<T>(device, normal_values(w.size(), 8), w);
        auto gradient = moved<T>(device, normal_values(w.size(), 9), w);
        conv2d(x[1], x[0], weights.view(), s, prologue, how);
        conv2d_input_gradient(x[2], x[1], weights.view(), s, how);
        conv2d_weight_gradient(gradient.view(), x[0], x[1], s, prologue);
        return values(gradient);
      },
      options);
}

template <class T>
void check_convolutions(bool libraries) {
  for (const ConvolutionCase& each : convolution_cases)
    for (Margin margin : {Margin{0, 0}, Margin{1, 2}})
      for (Store how : {Store::set, Store::add, Store::subtract})
        for (bool normalises : {false, true}) {
          CAPTURE(to_string(each.x), each.outputs, each.kernel, each.stride, normalises);
          CHECK(convolution_distance<T>(each, margin, how, normalises, {.libraries = libraries}) <=
                256);
        }
}

}  // namespace

TEMPLATE_TEST_CASE("convolutions go forward and back by libraries", "", float, double) {
  check_convolutions<TestType>(true);
}

TEMPLATE_TEST_CASE("convolutions go forward and back without libraries", "", float, double) {
  check_convolutions<TestType>(false);
}

TEMPLATE_TEST_CASE("a loss and its gradient, an update, dropped elements", "", float, double) {
  using T = TestType;
  for (Index classes : {3, 10, 100})
    for (bool weighted : {false, true}) {
      const Shape logits{3, 3, 1, classes};
      const double smoothing = classes == 3 ? 0 : 0.1;
      CHECK(distance<T>({logits, logits}, {0, 0}, [=](auto&, auto& x) {
              const std::vector<std::int32_t> labels{0, 1, 2, 0, -1, 2, 2, 1, 0};
              std::vector<double> weights;
              for (Index c = 0; weighted && c < classes; ++c)
                weights.push_back(0.5 * static_cast<double>(c % 4));
              const LossSum sum =
                  softmax_cross_entropy(x[0], x[1], std::span<const std::int32_t>(labels),
                                        std::span<const double>(weights), {smoothing, -1, 12});
              return Values{sum.loss, static_cast<double>(sum.correct)};
            }) <= 16);
    }
  for (Shape shape : shapes)
    for (PointwiseLoss loss :
         {PointwiseLoss::squared, PointwiseLoss::huber, PointwiseLoss::logistic})
      for (Margin margin : margins)
        CHECK(distance<T>({shape, shape, shape}, margin, [=](auto&, auto& x) {
                return Values{pointwise_loss(x[0], x[1], x[2], {loss, 0.7, 12})};
              }) <= 128);  // thousands of terms in another order
  for (Shape shape : shapes)
    CHECK(distance<T>({shape, shape, shape}, {0, 0}, [=](auto&, auto& x) {
            scale(x[1], 0.5);
            update_parameter(UpdateTerm{x[0], x[1], x[2], x[2], 1e-4}, 0.1,
                             Momentum{0.9, shape.c % 2 == 0});
            return Values{sum_of_squares(x[0])};
          }) <= 16);
  for (Shape shape : shapes) {
    CHECK(distance<T>({shape, shape, shape, shape}, {0, 0}, [=](auto&, auto& x) {
            fill(x[3], T(0.3));
            update_parameter(UpdateTerm{x[0], x[1], x[2], x[3], 1e-2}, 0.1,
                             AdamStep{.correction1 = 0.1, .correction2 = 0.01});
            update_parameter(UpdateTerm{x[0], x[1], x[2], x[2], 1e-2}, 0.1, LionStep{});
            return Values{};
          }) <= 64);
    CHECK(distance<T>({shape, per_channel(shape.pixels()), per_channel(shape.c)}, {0, 0},
                      [=](auto&, auto& x) {
                        fill(x[1], T(0.5));
                        fill(x[2], T(0.25));
                        factor_gradient(x[0], x[1], x[2], 0.7, 1e-30);
                        return Values{};
                      }) <= 64);
  }
  for (Index begin : {0, 1, 6})
    CHECK(distance<T>({{2, 3, 3, 5}}, {0, 0}, [=](auto&, auto& x) {
            drop_elements(x[0], 0.3, 7, 3, begin);
            return Values{};
          }) == 0);
}

namespace {

/// Updates many small and large parameters, some with weight decay, all at once or one by one.
/// Returns all results.
template <class T, class D>
Values updated(D& device, bool together) {
  const Momentum momentum{0.9, true};
  std::vector<Tensor<T, D>> tensors;
  for (Index i = 0; i < 3 * 100; ++i) {
    const Shape shape = per_channel(i / 3 % 10 == 7 ? 9001 : 1 + i / 3);
    tensors.push_back(
        moved<T>(device, normal_values(shape.size(), static_cast<unsigned>(i)), shape));
  }
  std::vector<UpdateTerm<T, D>> terms;
  for (std::size_t i = 0; i < tensors.size(); i += 3)
    terms.push_back({tensors[i].view(), tensors[i + 1].view(), tensors[i + 2].view(),
                     tensors[i + 2].view(), i % 2 == 0 ? 1e-2 : 0});
  if (together)
    update_parameters(std::span<const UpdateTerm<T, D>>(terms), 0.1, momentum);
  else
    for (const UpdateTerm<T, D>& each : terms) {
      update_parameter(each, 0.1, momentum);
      fill(each.gradient, T(0));
    }
  Values all;
  for (const auto& tensor : tensors) {
    const Values more = values(tensor);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace

TEMPLATE_TEST_CASE("parameters are updated together like one by one", "", float, double) {
  Cpu host(1);
  Cuda gpu;
  const Values together = updated<TestType>(gpu, true);
  CHECK(same_bits(together, updated<TestType>(gpu, false)));
  CHECK(distance_in_roundings<TestType>(together, updated<TestType>(host, true)) <= 16);
}

TEMPLATE_TEST_CASE("states of integers round, wrap, count and widen", "", std::int16_t,
                   std::int32_t) {
  using E = TestType;
  for (Shape shape : shapes)
    for (Margin margin : margins)
      for (Store how : {Store::set, Store::add, Store::subtract}) {
        CAPTURE(to_string(shape), margin.before, static_cast<int>(how));
        CHECK(distance<float>({shape, shape}, margin, [=](auto& device, auto& x) {
                using D = std::remove_reference_t<decltype(device)>;
                Values start = normal_values(shape.size(), 11);
                for (double& value : start) value = std::round(value * 10000);
                auto q = moved<E, D>(device, start, shape);
                // A step so fine that some values do not fit.
                const double step = sizeof(E) == 2 ? 0x1p-14 : 0x1p-30;
                const auto counts = store_rounded(q.view(), x[0], step, how);
                widen(x[1], q.view(), step);
                Values all = values(q);
                all.push_back(static_cast<double>(counts.overflows));
                all.push_back(static_cast<double>(counts.nonfinite));
                return all;
              }) == 0);
      }
}

TEST_CASE("samples are taken at the same places") {
  for (Index size : {10, 400, 5000})
    CHECK(distance<float>({per_channel(64), per_channel(size)}, {0, 0}, [](auto&, auto& x) {
            take_sample(x[0], x[1]);
            const auto noise = sample_noise(
                View<const float, std::remove_reference_t<decltype(x[0].device())>>(x[0]), x[1]);
            return Values{noise.noise};
          }) == 0);
}
