#include "vision_network.hpp"

#include "retrace/net/transformer.hpp"

namespace {

template <class D>
Net build_on(D& device, const NetChoice& choice) {
  if constexpr (retrace::operations::AttendsAndGates<D, float>) {
    const retrace::NetOptions& size = choice.options;
    if (size.channels.size() != 1 || size.blocks.size() != 1)
      throw std::invalid_argument("revvit takes one number of channels and one of blocks, got " +
                                  std::to_string(size.channels.size()) + " and " +
                                  std::to_string(size.blocks.size()));
    retrace::TransformerOptions options;
    options.channels = size.channels[0];
    options.layers = size.blocks[0];
    options.heads = choice.vision.heads;
    options.dropout = choice.vision.dropout;
    options.seed = size.seed;
    options.stream = size.stream;
    options.fixed = size.fixed;
    if (!size.fraction_bits.empty()) options.fixed.fraction_bits = size.fraction_bits[0];
    options.trains = size.trains;
    return retrace::vision_transformer<float>(device, options,
                                              {.height = choice.image.h,
                                               .width = choice.image.w,
                                               .channels = size.image_channels,
                                               .patch = choice.vision.patch,
                                               .classes = size.classes});
  } else {
    throw std::invalid_argument("--arch revvit is for --device cpu: this device has no attention");
  }
}

}  // namespace

Net build_vision_net(Device& device, const NetChoice& choice) { return build_on(device, choice); }
