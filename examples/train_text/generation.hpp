// Continues a text, byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model.hpp"
#include "retrace/net/decoder.hpp"

struct SamplingOptions {
  std::size_t bytes = 200;   ///< to generate
  double temperature = 0.8;  ///< 0: always the most probable byte
  std::size_t top_k = 0;     ///< the most probable bytes to draw from; 0: all
  double top_p = 1;          ///< draws from the fewest bytes whose probabilities add up to this
  std::uint64_t seed = 0;
  bool cache = true;  ///< keeps keys and values of earlier positions, if the model allows it
};

/// Returns a byte drawn from the logits.
/// @param number  of the random number: the place of the byte
std::uint8_t draw_byte(std::vector<float> logits, const SamplingOptions& options,
                       std::uint64_t number);

/// Gives the logits of the byte after a text, of which the model sees up to the last `length`
/// bytes. When they are full, it goes on with the last half of them.
class Generator {
 public:
  /// @param model  of these options, built to generate
  /// @param cache  keeps keys and values of earlier positions, if all attention is full
  Generator(Device& device, const ModelOptions& options, Model model, bool cache = true);

  /// @pre the text is not empty, and begins with that of the call before
  std::vector<float> logits(std::span<const std::uint8_t> text);

 private:
  Device& device_;
  ModelOptions options_;
  Model model_;
  bool cache_;
  std::size_t start_ = 0;  ///< of the bytes that the model sees
  std::optional<retrace::Decoder<float, Device>> decoder_;
};

/// Returns a model that generates, with the weights of a trained one.
Model generating_model(Device& device, const ModelOptions& options, Model& trained);

/// Continues a prompt of any bytes; an empty one is taken as a line break. Calls write(byte) for
/// each new byte.
void generate(Generator& generator, const std::string& prompt, const SamplingOptions& options,
              const std::function<void(char)>& write);
