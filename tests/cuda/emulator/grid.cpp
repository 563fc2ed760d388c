// Executes a launch: runs its blocks one after another.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <numeric>
#include <random>
#include <utility>

#include "cuda/emulator/block.hpp"
#include "cuda/emulator/control.hpp"
#include "cuda/emulator/device_memory.hpp"
#include "cuda/emulator/launch.hpp"
#include "cuda/emulator/memory_access.hpp"
#include "cuda/emulator/traffic.hpp"

namespace emulator {
namespace {

std::vector<KernelStats>& all_stats() {
  static std::vector<KernelStats> list;
  return list;
}

std::function<void(const Grid&)>& engine() {
  static auto& other = *new std::function<void(const Grid&)>;
  return other;
}

TrafficCounter& traffic_counter() {
  static TrafficCounter only;
  return only;
}

KernelStats& stats_of(const std::string& kernel) {
  auto& list = all_stats();
  auto found = std::find_if(list.begin(), list.end(),
                            [&](const KernelStats& each) { return each.name == kernel; });
  if (found == list.end()) {
    found = list.insert(found, KernelStats{});
    found->name = kernel;
  }
  return *found;
}

/// Checks that pointer arguments refer to device memory. Pointers inside structs are checked when
/// they are used.
void check_arguments(const Grid& grid) {
  for (std::size_t i = 0; i < grid.arguments.size(); ++i) {
    if (!grid.arguments[i].is_pointer) continue;
    const void* pointer = *static_cast<const void* const*>(grid.arguments[i].value);
    if (pointer != nullptr && !is_live(pointer, 0))
      throw Error("argument " + std::to_string(i) + " of " + grid.launch.name +
                  " is not a pointer to live device memory");
  }
}

std::vector<std::uint64_t> order_of_blocks(const dim3& grid, unsigned seed) {
  std::vector<std::uint64_t> order(std::uint64_t{grid.x} * grid.y * grid.z);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(seed);
  if (seed != 0) std::shuffle(order.begin(), order.end(), random);
  return order;
}

/// Returns an error message, or "".
std::string run_blocks(const Grid& grid, KernelStats& stats) {
  const dim3 &shape = grid.launch.block, &blocks = grid.launch.grid;
  blockDim = shape;
  gridDim = blocks;
  block().begin_launch(shape, options().seed);
  std::string error;
  for (const std::uint64_t number : order_of_blocks(blocks, options().seed)) {
    const std::uint64_t row = number / blocks.x;
    blockIdx = {static_cast<unsigned>(number % blocks.x), static_cast<unsigned>(row % blocks.y),
                static_cast<unsigned>(row / blocks.y)};
    error = block().run(*grid.thread);
    traffic_counter().end_block();
    stats.shared_bytes = std::max(stats.shared_bytes, block().shared_bytes());
    if (!error.empty()) break;
  }
  block().end_launch();
  return error;
}

}  // namespace

Options& options() {
  static Options chosen = [] {
    Options read;
    if (const char* seed = std::getenv("EMULATOR_SEED"))
      read.seed = static_cast<unsigned>(std::strtoul(seed, nullptr, 10));
    return read;
  }();
  return chosen;
}

const std::vector<KernelStats>& stats() { return all_stats(); }
const KernelStats& stats(const std::string& kernel) { return stats_of(kernel); }
void reset_stats() { all_stats().clear(); }

void set_engine(std::function<void(const Grid&)> chosen) { engine() = std::move(chosen); }

void run(const Grid& grid) {
  const sanitizer::Unseen unseen;
  if (block().running()) throw Error("a kernel cannot launch another");
  check_arguments(grid);
  const DeviceAccess access;
  const auto start = std::chrono::steady_clock::now();
  KernelStats& stats = stats_of(grid.launch.name);
  const dim3 &shape = grid.launch.block, &blocks = grid.launch.grid;
  const unsigned threads = shape.x * shape.y * shape.z;
  ++stats.launches;
  stats.threads += std::uint64_t{blocks.x} * blocks.y * blocks.z * threads;
  if (engine()) {
    engine()(grid);
    return;
  }
  traffic_counter().begin_launch(stats, static_cast<int>(threads));
  const std::string error = run_blocks(grid, stats);
  traffic_counter().end_launch();
  stats.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!error.empty()) throw Error("kernel " + std::string(grid.launch.name) + ": " + error);
}

void touch(const void* pointer, std::size_t bytes, std::size_t alignment, Access access,
           const Location& where) {
  const sanitizer::Unseen unseen;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const auto describe = [&] {
    return std::string(access == Access::read ? "load" : "store") + " of " + std::to_string(bytes) +
           " bytes at " + text(where);
  };
  if (!block().running()) fail(describe() + " outside of a kernel");
  if (address % alignment != 0) fail("misaligned " + describe());
  if (!is_live(pointer, bytes)) fail(describe() + " outside of every device allocation");
  traffic_counter().count(address, bytes, access, where, block().current());
}

}  // namespace emulator
