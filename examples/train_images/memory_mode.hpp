// The ways to spend memory on one and the same network, as a command line names them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "retrace/layer/layer.hpp"
#include "retrace/net/architectures.hpp"

/// What the layers keep; or, where `checkpointed`, one input in `interval` layers.
struct MemoryMode {
  retrace::Mode mode = retrace::Mode::stored;
  bool checkpointed = false;
  std::size_t interval = 0;  ///< 0: the square root of the number of layers

  bool operator==(const MemoryMode&) const = default;
};

/// "stored", "checkpoint", "checkpoint:4", "reversible", "inverted" or "chunked".
std::string name(MemoryMode mode);

/// The modes that make a difference to an architecture, the one it was designed for first.
const std::vector<MemoryMode>& memory_modes(retrace::Architecture architecture);

/// The names of memory_modes: "stored or checkpoint".
std::string memory_mode_names(retrace::Architecture architecture);

/// @throws std::invalid_argument if there is no such mode, or none for this architecture.
MemoryMode parse_memory_mode(std::string_view text, retrace::Architecture architecture);
