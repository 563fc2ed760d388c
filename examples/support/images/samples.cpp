#include "samples.hpp"

std::int32_t label(const Samples& samples, retrace::Index sample) {
  std::int32_t label = no_class;
  samples.read_labels(sample, {&label, 1});
  return label;
}
