// Whether the operating system sees what the meter counts.
#pragma once

#include <cstddef>
#include <vector>

#include "configurations.hpp"

namespace memory_table {

/// One step of a configuration in a process of its own.
struct Residence {
  Configuration configuration;
  retrace::Shape batch;
  std::size_t peak;    ///< of the meter
  std::size_t growth;  ///< of the resident memory of the process, at its highest
};

/// Takes one step in every mode of an architecture, on as many images of 240 x 240 as make what
/// depends on the batch hold at least 200 MB. Runs in child processes, so that no configuration
/// finds the memory of another: this process must not have run anything in parallel before, as
/// its threads would be missing in the children.
std::vector<Residence> measure_residence(retrace::Architecture architecture,
                                         const retrace::NetOptions& size, int threads);

}  // namespace memory_table
