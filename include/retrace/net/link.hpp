// A layer or stage of any type as a chain holds it.
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/core/moments.hpp"
#include "retrace/layer/channel_normalisation.hpp"
#include "retrace/layer/inside.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/net/modes.hpp"

namespace retrace::inline RETRACE_ISA {

/// A stage of a chain, called out of place. See the concept Stage.
template <class T, Device D, class S>
class StageAccess {
 public:
  using Target = View<S, D>;
  using Source = View<const S, D>;

  virtual void apply(Target y, Source x, Run run, Store how, const Moments<D>* of_x,
                     Moments<D>* of_y) = 0;
  virtual void gradient(Source x, View<const T, D> dy, View<T, D> dx, Store how) = 0;
  /// Lets a stage keep what its gradient needs of x, without an apply.
  virtual void keep(Source x, Run run) = 0;
  /// Whether it begins with a normalisation, and has no other.
  virtual bool takes_off_means() const = 0;
  virtual void take_off_means(View<T, D> dx, Source x) = 0;

 protected:
  ~StageAccess() = default;
};

/// A layer or stage of a chain behind one interface, by name.
template <class T, Device D, class S = T>
class Link {
 public:
  using State = Tensor<S, D>;
  using Gradient = Tensor<T, D>;
  using Parameters = ParameterList<T, D>;
  using Norm = ChannelNormalisation<T, D>;

  explicit Link(std::string layer_name) : name(std::move(layer_name)) {}
  virtual ~Link() = default;

  virtual Shape output_shape(Shape x) const = 0;
  /// The channels that every input must have; 0 if it takes any.
  virtual Index input_channels() const = 0;

  /// Uses the moments of x, measures those of y and adds up log-determinants, each unless it is
  /// null.
  virtual void forward(State& x, Run run, const Moments<D>* of_x, Moments<D>* of_y,
                       LogDet<D>* log_det) = 0;
  virtual void inverse(State& y, Run run, LogDet<D>* log_det) = 0;
  virtual void backward(State& y, Gradient& dy, const LogDet<D>* log_det) = 0;
  /// @throws StateError unless it can be a layer of a flow.
  virtual void require_log_det() const = 0;
  virtual bool reads_output() const = 0;
  /// Whether forward can measure the moments of its output, and whether it can use those of its
  /// input.
  virtual bool measures_moments() const = 0;
  virtual bool uses_moments() const = 0;
  /// Null for a layer.
  virtual StageAccess<T, D, S>* stage() = 0;

  virtual void set_mode(Mode mode) = 0;
  virtual Modes modes() const = 0;
  virtual void set_modes(const Modes& modes) = 0;
  virtual void set_chunk(Index images) = 0;
  virtual void set_time(const Time& time) = 0;
  virtual void watch(const std::string& chain, InputWatch<Gradient>* watch) = 0;
  /// Signal to noise of the input that the last backward pass reconstructed, if a watch has
  /// measured it.
  virtual std::optional<double> decibels() const = 0;
  /// The measured bound of the Lipschitz constant of the branch of an invertible residual layer;
  /// empty for any other.
  virtual std::optional<double> lipschitz() const = 0;
  virtual void fuse() = 0;
  /// The normalisation that is all of the stage, or null.
  virtual Norm* normalisation() = 0;
  /// The stage with such a normalisation in front, both taken over; null if it can have none.
  virtual std::unique_ptr<Link> behind(Norm& norm) = 0;
  virtual void abandon() = 0;
  virtual void collect(const std::string& prefix, Parameters& list) = 0;
  /// @throws StateError if the layer cannot be copied.
  virtual std::unique_ptr<Link> clone() const = 0;

  const std::string name;
};

/// The common part of links to layers and to stages: all recursion through the parts.
template <class N, class T, Device D, class S>
class LinkTo : public Link<T, D, S> {
 public:
  using Base = Link<T, D, S>;
  using typename Base::Gradient, typename Base::Norm, typename Base::Parameters;

  LinkTo(std::string layer_name, N node) : Base(std::move(layer_name)), node_(std::move(node)) {}

  Shape output_shape(Shape x) const override { return node_.output_shape(x); }
  Index input_channels() const override {
    if constexpr (requires { node_.input_channels(); })
      return node_.input_channels();
    else
      return 0;
  }
  void require_log_det() const override { retrace::require_log_det(node_); }
  void set_mode(Mode mode) override { inside::set_mode(node_, mode); }
  Modes modes() const override {
    if constexpr (requires { node_.modes(); })
      return node_.modes();
    else
      return {};
  }
  void set_modes(const Modes& modes) override {
    set_mode(modes.mode);
    if constexpr (requires { node_.set_modes(modes); }) node_.set_modes(modes);
  }
  void set_chunk(Index images) override { inside::set_chunk(node_, images); }
  void set_time(const Time& time) override { inside::set_time(node_, time); }
  std::optional<double> lipschitz() const override {
    if constexpr (requires { node_.inversion(), node_.lipschitz(); })
      return node_.lipschitz();
    else
      return {};
  }
  void fuse() override { inside::fuse(node_); }
  Norm* normalisation() override {
    if constexpr (requires { node_.normalisation(); })
      return &node_.normalisation();
    else
      return nullptr;
  }
  void collect(const std::string& prefix, Parameters& list) override {
    inside::collect(node_, prefix, list);
  }

 protected:
  N node_;
};

}  // namespace retrace::inline RETRACE_ISA
