// Inference of a sequence that grows: each position passes through the network once.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/layer/decoding.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// Continues sequences: forward() takes the positions after those of earlier calls, and gives the
/// outputs that a pass over all positions gives for them.
///
///     Decoder decoder(model.net, model.decoding, /*longest=*/1024);
///     auto y = decoder.forward(model.embedding.forward(prompt, 1, t));
///     y = decoder.forward(model.embedding.forward(next, 1, 1));
///
/// Attention stages keep the keys and values, 2·d numbers for each layer and position of `longest`,
/// until the decoder is destroyed.
template <class T, Device D>
class Decoder {
 public:
  /// @throws std::invalid_argument if the network cannot be continued: only full causal attention
  ///         can. The pointer is null then.
  /// @throws StateError if another decoder of the network exists.
  Decoder(Chain<T, D>& net, std::shared_ptr<Decoding> decoding, Index longest)
      : net_(net), decoding_(std::move(decoding)) {
    if (!decoding_)
      throw std::invalid_argument(
          "Decoder: a network without full causal attention in every layer cannot continue a "
          "sequence");
    if (longest < 1)
      throw std::invalid_argument("Decoder: the longest sequence must be positive, got " +
                                  std::to_string(longest));
    if (decoding_->active()) throw StateError("Decoder: another decoder of the network exists");
    decoding_->longest = longest;
    decoding_->done = 0;
    ++decoding_->number;
  }
  ~Decoder() {
    decoding_->longest = 0;
    net_.abandon();
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// @throws ShapeError if there are more positions than the longest sequence has.
  Tensor<T, D> forward(Tensor<T, D> x) {
    const Index positions = x.shape().h * x.shape().w;
    if (done() + positions > decoding_->longest)
      throw ShapeError("Decoder: x is " + to_string(x.shape()) + " behind " +
                       std::to_string(done()) + " positions, but the longest sequence has " +
                       std::to_string(decoding_->longest));
    net_.forward(x, inference);
    decoding_->done += positions;
    return x;
  }
  Index done() const { return decoding_->done; }

 private:
  Chain<T, D>& net_;
  std::shared_ptr<Decoding> decoding_;
};

}  // namespace retrace::inline RETRACE_ISA
