// An invertible network of integers and the distribution of its outputs.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "retrace/cpu/operations.hpp"
#include "retrace/layer/rounded_branch.hpp"
#include "retrace/net/branch.hpp"

/// Sizes of an IntegerFlow.
struct FlowSizes {
  retrace::Index height = 0, width = 0, channels = 0;  ///< of images, before padding
  retrace::Index levels = 2, couplings = 4;            ///< couplings of each level
  retrace::Index features = 32;                        ///< channels within a branch
  bool operator==(const FlowSizes&) const = default;
};

/// An integer discrete flow (Hoogeboom et al. 2019): every level moves 2x2 pixels into channels and
/// applies additive couplings x₁ + round(F(x₂)), which are bijections of integers. Half of the
/// channels of each level but the last leave the flow; a network predicts their means and scales
/// from the other half. The outputs of the last level have a mean and a scale for each position.
///
/// Trained by straight-through gradients of the bits: −log₂ of a discretised logistic.
class IntegerFlow {
 public:
  using Device = retrace::Cpu;
  using State = retrace::Tensor<std::int32_t, Device>;
  using Real = retrace::Tensor<float, Device>;
  using Parameters = retrace::ParameterList<float, Device>;

  /// The integers that leave the flow at a level, and the parameters of their distributions: means
  /// in units of 1/256, then natural logarithms of the scales, each for all channels.
  struct Part {
    State values;
    Real parameters;
  };

  /// @throws std::invalid_argument if a size is not positive or there are more than 6 levels.
  IntegerFlow(Device& device, const FlowSizes& sizes, std::uint64_t seed = 0);

  const FlowSizes& sizes() const { return sizes_; }
  std::size_t levels() const { return levels_.size(); }
  Parameters parameters();

  /// Returns the parts of images of bytes, from the first level to the last.
  std::vector<Part> encode(std::span<const std::uint8_t> pixels);
  /// Returns the images. part(level, parameters, values) is called from the last level to the first
  /// and fills `values`.
  using Decode = std::function<void(std::size_t level, const Real& parameters, State& values)>;
  std::vector<std::uint8_t> decode(retrace::Index images, const Decode& part);

  /// Sets the means and scales to those of some images, from which training begins.
  void initialise(std::span<const std::uint8_t> pixels);

  /// Adds the gradients of the mean bits per dimension of some images, which it returns.
  double accumulate_gradients(std::span<const std::uint8_t> pixels);

  /// Returns the bits per dimension of some images by their distributions, without coding them.
  double bits_per_dimension(std::span<const std::uint8_t> pixels);

 private:
  using Branch = retrace::Branch<float, Device>;
  using Chain = retrace::Chain<float, Device, std::int32_t>;
  struct Level {
    Chain flow;
    Branch prior;  ///< not of the last level, whose distributions are the offset alone
    /// Means and log-scales to which those of the prior are added: for each channel, at the last
    /// level for each position.
    retrace::Parameter<float, Device> offset;
  };

  retrace::Shape padded(retrace::Index images) const;
  /// The shape of a level's output.
  retrace::Shape output(std::size_t level, retrace::Index images) const;
  retrace::Index images_of(std::span<const std::uint8_t> pixels) const;
  State loaded(std::span<const std::uint8_t> pixels) const;
  /// Runs a level; takes the part that leaves the flow out of x.
  Part step(std::size_t level, State& x, retrace::Run run);
  /// Returns the parameters of the values that leave the flow; x is what stays.
  Real predicted(std::size_t level, retrace::Index images, const State& x, retrace::Run run);
  void back(std::size_t level, State& x, const State& values, Real& dx, const Real& dvalues,
            const Real& dparameters);

  Device& device_;
  FlowSizes sizes_;
  retrace::SharedStreamFormat format_;
  std::vector<Level> levels_;
};

/// Returns −log₂ P of the values of a part, summed, and sets the gradients unless they are null,
/// multiplied by `factor`. The gradient with respect to the values is that of the state, which has
/// units of 256.
double part_bits(const IntegerFlow::Part& part, double factor, IntegerFlow::Real* dvalues,
                 IntegerFlow::Real* dparameters);
