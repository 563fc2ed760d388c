#include "iresnet_network.hpp"

#include "retrace/net/iresnet.hpp"

namespace {

template <class D>
Net build_on(D& device, const NetChoice& choice) {
  if constexpr (retrace::operations::Smooths<D, float> && retrace::operations::Solves<D, float>)
    return retrace::iresnet<float>(device, choice.options, choice.image, choice.lipschitz);
  else
    throw std::invalid_argument("--arch iresnet is for --device cpu: this device solves nothing");
}

}  // namespace

Net build_iresnet(Device& device, const NetChoice& choice) { return build_on(device, choice); }
