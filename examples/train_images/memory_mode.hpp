// The memory modes of a network, with their command-line names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "architecture.hpp"
#include "retrace/layer/layer.hpp"

/// The mode of all layers, or, if `checkpointed`, a checkpoint every `interval` layers.
struct MemoryMode {
  retrace::Mode mode = retrace::Mode::stored;
  bool checkpointed = false;
  std::size_t interval = 0;  ///< 0: the square root of the number of layers

  bool operator==(const MemoryMode&) const = default;
};

/// Returns "stored", "checkpoint", "checkpoint:4", "reversible", "inverted" or "chunked".
std::string name(MemoryMode mode);

/// Returns the distinct modes of an architecture, starting with the one it was designed for.
const std::vector<MemoryMode>& memory_modes(Architecture architecture);

/// Returns the names of memory_modes, such as "stored or checkpoint".
std::string memory_mode_names(Architecture architecture);

/// @throws std::invalid_argument if the mode does not exist or does not apply to the architecture.
MemoryMode parse_memory_mode(std::string_view text, Architecture architecture);
