#include "architecture.hpp"

std::string_view name(Architecture architecture) {
  if (architecture == Architecture::revvit) return "revvit";
  if (architecture == Architecture::iresnet) return "iresnet";
  return retrace::name(in_library(architecture));
}

retrace::NetOptions usual_size(Architecture architecture) {
  if (architecture == Architecture::revvit) return {.channels = {96}, .blocks = {6}};
  if (architecture == Architecture::iresnet) return {.channels = {16, 64}, .blocks = {4, 4}};
  return retrace::paper_options(in_library(architecture));
}
