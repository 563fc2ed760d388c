#include "architecture.hpp"

std::string_view name(Architecture architecture) {
  if (architecture == Architecture::revvit) return "revvit";
  return retrace::name(in_library(architecture));
}

retrace::NetOptions usual_size(Architecture architecture) {
  if (architecture == Architecture::revvit) return {.channels = {96}, .blocks = {6}};
  return retrace::paper_options(in_library(architecture));
}
