#include "network.hpp"

#include "pixel_network.hpp"

namespace {

void set_mode(Net& net, MemoryMode mode) {
  if (!mode.checkpointed)
    net.set_mode(mode.mode);
  else if (mode.interval == 0)
    net.checkpoint_sqrt();
  else
    net.checkpoint_every(mode.interval);
}

}  // namespace

std::string mode_name(const NetChoice& choice) {
  return choice.plan ? "planned" : name(choice.mode);
}

std::string to_string(const NetChoice& choice) {
  const retrace::Stream stream = choice.options.stream;
  return std::string(retrace::name(choice.architecture)) +
         (choice.labels_pixels ? " of pixels" : "") + ", mode " + mode_name(choice) +
         (stream == retrace::Stream::floating ? ""
                                              : ", stream " + std::string(retrace::name(stream))) +
         (choice.fused_optimizer ? ", fused optimizer" : "") +
         (choice.micro_batch > 0 ? ", micro-batches of " + std::to_string(choice.micro_batch) : "");
}

Net build_net(Device& device, const NetChoice& choice) {
  Net net = choice.labels_pixels
                ? build_pixel_net(device, choice.options)
                : retrace::build<float>(device, choice.architecture, choice.options);
  if (choice.plan)
    choice.plan->apply(net);
  else
    set_mode(net, choice.mode);
  net.set_chunk(choice.chunk);
  return net;
}
