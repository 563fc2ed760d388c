#include "pixel_network.hpp"

#include "retrace/layer/channel_unpooling.hpp"

using retrace::Index;

namespace {

void require_levels(const retrace::NetOptions& options) {
  if (options.stream != retrace::Stream::floating)
    throw std::invalid_argument("--stream " + std::string(retrace::name(options.stream)) +
                                " is not for masks: leave it out");
  for (std::size_t level = 1; level < options.channels.size(); ++level)
    if (options.channels[level] != 4 * options.channels[level - 1])
      throw std::invalid_argument(
          "--channels of a network for masks must grow 4 times from level to level, but " +
          std::to_string(options.channels[level]) + " follows " +
          std::to_string(options.channels[level - 1]));
}

}  // namespace

retrace::NetOptions small_pixel_net(retrace::Shape image) {
  const Index shorter = std::min(image.h, image.w);
  if (shorter >= 32) return {.channels = {8, 32, 128}, .blocks = {1, 2, 2}};
  if (shorter >= 8) return {.channels = {16, 64}, .blocks = {2, 2}};
  return {.channels = {16}, .blocks = {4}};
}

Net build_pixel_net(Device& device, const retrace::NetOptions& options) {
  require_levels(options);
  retrace::Blocks<float, Device> make(device, options);
  const std::size_t levels = options.channels.size();
  Net net;
  net.add("stem", make.conv(options.image_channels, options.channels[0]));
  for (std::size_t level = 0; level < levels; ++level) {
    const std::string name = "level" + std::to_string(level + 1);
    if (level > 0) net.add(name + ".pool", make.channel_pooling());
    for (Index i = 0; i < options.blocks[level]; ++i)
      net.add(name + ".block" + std::to_string(i), make.coupling(options.channels[level]));
  }
  const Index window = Index{1} << (2 * (levels - 1));  // pixels
  net.add("head.conv", make.norm_act_conv(options.channels.back(), window * options.classes));
  for (std::size_t level = levels - 1; level > 0; --level)
    net.add("head.unpool" + std::to_string(level), retrace::ChannelUnpooling<float, Device>());
  return net;
}
