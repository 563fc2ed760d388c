#include "cuda/ptx/interpreter.hpp"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstring>

#include "cuda/emulator/control.hpp"
#include "cuda/emulator/location.hpp"
#include "cuda/ptx/block_run.hpp"

namespace ptx {
namespace {

const Entry& entry_of(const Module& module, const emulator::Grid& grid) {
  Dl_info symbol{};
  if (dladdr(const_cast<void*>(grid.kernel), &symbol) == 0 || symbol.dli_sname == nullptr ||
      symbol.dli_saddr != grid.kernel)
    throw emulator::Error("kernel " + std::string(grid.launch.name) +
                          " has no name: the program does not export its symbols");
  const auto found = module.find(symbol.dli_sname);
  if (found == module.end())
    throw emulator::Error("the PTX has no kernel " + std::string(symbol.dli_sname));
  return found->second;
}

/// Returns the argument bytes that a GPU would get, at the compiler's offsets.
std::vector<char> parameters_of(const Entry& entry, const emulator::Grid& grid) {
  std::vector<char> bytes(entry.parameter_bytes);
  if (entry.parameters.size() != grid.arguments.size())
    throw emulator::Error("a launch and the PTX of " + entry.name + " have different parameters");
  for (std::size_t i = 0; i < entry.parameters.size(); ++i) {
    const Parameter& parameter = entry.parameters[i];
    if (parameter.bytes != grid.arguments[i].bytes)
      throw emulator::Error("parameter " + std::to_string(i) + " of " + entry.name + " has " +
                            std::to_string(grid.arguments[i].bytes) + " bytes but must have " +
                            std::to_string(parameter.bytes));
    std::memcpy(bytes.data() + parameter.offset, grid.arguments[i].value, parameter.bytes);
  }
  return bytes;
}

}  // namespace

Interpreter::Interpreter(const std::vector<std::string>& files) {
  for (const auto& file : files) module_.merge(read_module(file));
  emulator::set_engine([this](const emulator::Grid& grid) {
    const Entry& entry = entry_of(module_, grid);
    BlockRun block(entry, grid, parameters_of(entry, grid), emulator::options().seed);
    const dim3& blocks = grid.launch.grid;
    for (unsigned z = 0; z < blocks.z; ++z)
      for (unsigned y = 0; y < blocks.y; ++y)
        for (unsigned x = 0; x < blocks.x; ++x) block.run({x, y, z});
  });
}

Interpreter::~Interpreter() { emulator::set_engine(nullptr); }

}  // namespace ptx
