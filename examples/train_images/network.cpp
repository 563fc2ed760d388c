#include "network.hpp"

#include "iresnet_network.hpp"
#include "pixel_network.hpp"
#include "vision_network.hpp"

namespace {

void set_mode(Net& net, MemoryMode mode) {
  if (!mode.checkpointed)
    net.set_mode(mode.mode);
  else if (mode.interval == 0)
    net.checkpoint_sqrt();
  else
    net.checkpoint_every(mode.interval);
}

Net build_in_full(Device& device, const NetChoice& choice) {
  if (choice.labels_pixels) return build_pixel_net(device, choice.options);
  if (choice.architecture == Architecture::revvit) return build_vision_net(device, choice);
  if (choice.architecture == Architecture::iresnet) return build_iresnet(device, choice);
  return retrace::build<float>(device, in_library(choice.architecture), choice.options);
}

}  // namespace

retrace::Index image_multiple(const NetChoice& choice) {
  if (!has_levels(choice.architecture)) return choice.vision.patch;
  return retrace::Index{1} << (choice.options.channels.size() - 1);
}

std::string mode_name(const NetChoice& choice) {
  return choice.plan ? "planned" : name(choice.mode);
}

std::string to_string(const NetChoice& choice) {
  const retrace::Stream stream = choice.options.stream;
  return std::string(name(choice.architecture)) + (choice.labels_pixels ? " of pixels" : "") +
         ", mode " + mode_name(choice) +
         (stream == retrace::Stream::floating ? ""
                                              : ", stream " + std::string(retrace::name(stream))) +
         (choice.fused_optimizer ? ", fused optimizer" : "") +
         (choice.micro_batch > 0 ? ", micro-batches of " + std::to_string(choice.micro_batch) : "");
}

Net build_net(Device& device, const NetChoice& choice) {
  Net net = build_in_full(device, choice);
  if (choice.plan)
    choice.plan->apply(net);
  else
    set_mode(net, choice.mode);
  net.set_chunk(choice.chunk);
  return net;
}
