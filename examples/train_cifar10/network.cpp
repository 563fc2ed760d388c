#include "network.hpp"

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

std::string to_string(const NetChoice& choice) {
  const retrace::Stream stream = choice.options.stream;
  return std::string(retrace::name(choice.architecture)) + ", mode " + name(choice.mode) +
         (stream == retrace::Stream::floating ? ""
                                              : ", stream " + std::string(retrace::name(stream)));
}

Net build_net(retrace::Cpu& device, const NetChoice& choice) {
  Net net = retrace::build<retrace::Float>(device, choice.architecture, choice.options);
  set_mode(net, choice.mode);
  return net;
}
