// Compares the meter with the memory that the operating system reports.
#pragma once

#include <cstddef>
#include <vector>

#include "configurations.hpp"

namespace memory_table {

/// One step of a configuration in a separate process.
struct Residence {
  Configuration configuration;
  retrace::Shape batch;
  std::size_t peak;    ///< the peak by the meter
  std::size_t growth;  ///< the largest growth of the process's resident memory
};

/// Takes one step in every mode of an architecture, on enough images of 240 x 240 for at least
/// 200 MB of batch-dependent memory. Each configuration runs in a child process, so that no memory
/// of another is reused. This process must not have run parallel work before, because its threads
/// do not exist in the children.
std::vector<Residence> measure_residence(retrace::Architecture architecture,
                                         const retrace::NetOptions& size, int threads);

}  // namespace memory_table
