#include "cuda/ptx/block_run.hpp"

#include <algorithm>
#include <bit>
#include <climits>
#include <utility>

#include "cuda/emulator/location.hpp"
#include "cuda/ptx/statements.hpp"
#include "cuda/ptx/values.hpp"

namespace ptx {
BlockRun::BlockRun(const Entry& entry, const emulator::Grid& grid, std::vector<char> parameters,
                   unsigned seed)
    : entry_(entry),
      grid_(grid),
      parameters_(std::move(parameters)),
      random_(seed),
      shuffled_(seed != 0) {
  const dim3& shape = grid.launch.block;
  threads_ = static_cast<int>(shape.x * shape.y * shape.z);
  warps_.resize(static_cast<std::size_t>((threads_ + 31) / 32));
  for (std::size_t i = 0; i < warps_.size(); ++i) warps_[i].number = static_cast<int>(i);
  shared_.resize(entry.shared.bytes);
  words_.resize(entry.shared.bytes / 4 + 1);
  local_.resize(entry.local.bytes * static_cast<std::size_t>(threads_));
  for (const Instruction& in : entry.code) decoded_.push_back(decode(in));
}

BlockRun::Decoded BlockRun::decode(const Instruction& in) {
  static const std::map<std::string, Action> actions{
      {"bra", &BlockRun::branch},      {"ret", &BlockRun::leave},
      {"exit", &BlockRun::leave},      {"bar", &BlockRun::barrier},
      {"barrier", &BlockRun::barrier}, {"shfl", &BlockRun::shuffle},
      {"vote", &BlockRun::vote},       {"activemask", &BlockRun::active_mask},
      {"mov", &BlockRun::move},        {"cvta", &BlockRun::convert_address},
      {"ld", &BlockRun::load},         {"ldu", &BlockRun::load},
      {"st", &BlockRun::store},        {"atom", &BlockRun::atomic},
      {"red", &BlockRun::atomic},      {"membar", &BlockRun::nothing},
      {"fence", &BlockRun::nothing},   {"prefetch", &BlockRun::nothing},
      {"trap", &BlockRun::trap}};
  if (in.name == "bar" && in.has("warp")) return {nullptr, &BlockRun::warp_barrier};
  if (const Pure pure = pure_instruction(in.name)) return {pure, nullptr};
  const auto found = actions.find(in.name);
  if (found == actions.end()) fail_type(in);
  return {nullptr, found->second};
}

// ---- Scheduling -------------------------------------------------------------------------------

void BlockRun::begin_block(uint3 index) {
  index_ = index;
  ++epoch_;
  std::fill(shared_.begin(), shared_.end(), static_cast<char>(0xFF));
  std::fill(local_.begin(), local_.end(), static_cast<char>(0xFF));
  std::fill(words_.begin(), words_.end(), Word{});
  for (Warp& warp : warps_) {
    const int lanes = std::min(32, threads_ - 32 * warp.number);
    warp.alive = lanes == 32 ? ~0u : (1u << lanes) - 1;
    warp.at_barrier = 0;
    std::fill(std::begin(warp.at), std::end(warp.at), 0);
    warp.registers.assign(entry_.registers.size() * 32, 0xDEADDEADDEADDEADull);
  }
}

void BlockRun::run(uint3 index) {
  begin_block(index);
  std::vector<Warp*> order;
  for (Warp& warp : warps_) order.push_back(&warp);
  for (;;) {
    if (shuffled_) std::shuffle(order.begin(), order.end(), random_);
    bool progress = false;
    for (Warp* warp : order) progress = run_warp(*warp) || progress;
    const auto done = [](const Warp& warp) { return warp.alive == 0; };
    if (std::all_of(warps_.begin(), warps_.end(), done)) return;
    if (!release_barrier() && !progress)
      throw emulator::Error("threads of " + entry_.name + " wait forever");
  }
}

/// Runs until all lanes wait or have returned. Returns whether any made progress.
bool BlockRun::run_warp(Warp& warp) {
  bool any = false;
  while (run_some(warp, warp.alive & ~warp.at_barrier)) any = true;
  return any;
}

/// Runs one instruction of the lanes that are furthest behind, or of the next ones if those wait.
bool BlockRun::run_some(Warp& warp, std::uint32_t lanes) {
  while (lanes != 0) {
    int first = INT_MAX;
    each(lanes, [&](int lane) { first = std::min(first, warp.at[lane]); });
    std::uint32_t here = 0;
    each(lanes, [&](int lane) { here |= warp.at[lane] == first ? 1u << lane : 0; });
    const auto number = static_cast<std::size_t>(first);
    if (number >= entry_.code.size()) {
      warp.alive &= ~here;
      return true;
    }
    const Instruction& in = entry_.code[number];
    std::uint32_t active = here;
    if (in.guard >= 0) {
      each(here, [&](int lane) {
        const auto at = static_cast<std::size_t>(in.guard) * 32 + static_cast<std::size_t>(lane);
        if (((warp.registers[at] & 1) != 0) == in.guard_negated) active &= ~(1u << lane);
      });
    }
    const Outcome outcome = execute({warp, in, here, active}, decoded_[number]);
    if (outcome == Outcome::next) each(here, [&](int lane) { ++warp.at[lane]; });
    if (outcome != Outcome::waits) return true;
    lanes &= ~here;
  }
  return false;
}

/// Releases all threads if all are at one barrier.
bool BlockRun::release_barrier() {
  int where = -1, there = 0;
  for (const Warp& warp : warps_) {
    there += std::popcount(warp.at_barrier);
    if ((warp.alive & ~warp.at_barrier) != 0) return false;
    each(warp.alive, [&](int lane) {
      if (where >= 0 && warp.at[lane] != where)
        throw emulator::Error("a divergent barrier in " + entry_.name);
      where = warp.at[lane];
    });
  }
  if (there < threads_)
    throw emulator::Error("a barrier in " + entry_.name + " after " +
                          std::to_string(threads_ - there) + " threads have returned");
  for (Warp& warp : warps_) {
    each(warp.alive, [&](int lane) { ++warp.at[lane]; });
    warp.at_barrier = 0;
    ++warp.epoch;
  }
  ++epoch_;
  return true;
}

BlockRun::Outcome BlockRun::execute(const Step& step, const Decoded& decoded) {
  if (decoded.pure == nullptr) return (this->*decoded.action)(step);
  const auto& operands = step.in.operands;
  each(step.active, [&](int lane) {
    Bits sources[4] = {};
    for (std::size_t i = 1; i < operands.size() && i <= 4; ++i)
      sources[i - 1] = value(step, operands[i], lane);
    set(step, operands[0], lane, decoded.pure(step.in, sources));
  });
  return Outcome::next;
}

// ---- Registers --------------------------------------------------------------------------------

Bits BlockRun::value(const Step& step, const Operand& operand, int lane) const {
  switch (operand.kind) {
    case Operand::Kind::reg: {
      const Bits held = step.warp.registers[static_cast<std::size_t>(operand.reg) * 32 +
                                            static_cast<std::size_t>(lane)];
      return operand.negated ? (held & 1) ^ 1 : held;
    }
    case Operand::Kind::immediate:
      return operand.value;
    case Operand::Kind::special:
      return special(step.warp, static_cast<Special>(operand.reg), lane);
    default:
      fail_type(step.in);
  }
}

void BlockRun::set(const Step& step, const Operand& operand, int lane, Bits value) {
  if (operand.reg < 0) return;  // the result is discarded
  step.warp.registers[static_cast<std::size_t>(operand.reg) * 32 + static_cast<std::size_t>(lane)] =
      value;
}

Bits BlockRun::special(const Warp& warp, Special which, int lane) const {
  const dim3 &block = grid_.launch.block, &grid = grid_.launch.grid;
  const auto thread = static_cast<unsigned>(32 * warp.number + lane);
  switch (which) {
    case Special::tid_x:
      return thread % block.x;
    case Special::tid_y:
      return thread / block.x % block.y;
    case Special::tid_z:
      return thread / (block.x * block.y);
    case Special::ntid_x:
      return block.x;
    case Special::ntid_y:
      return block.y;
    case Special::ntid_z:
      return block.z;
    case Special::ctaid_x:
      return index_.x;
    case Special::ctaid_y:
      return index_.y;
    case Special::ctaid_z:
      return index_.z;
    case Special::nctaid_x:
      return grid.x;
    case Special::nctaid_y:
      return grid.y;
    case Special::nctaid_z:
      return grid.z;
    case Special::laneid:
      return static_cast<Bits>(lane);
    case Special::warpid:
      return static_cast<Bits>(warp.number);
  }
  return 0;
}

void BlockRun::fail(const Instruction& in, const std::string& what) const {
  throw emulator::Error("kernel " + std::string(grid_.launch.name) + ", PTX line " +
                        std::to_string(in.line) + " '" + in.text + "': " + what);
}

}  // namespace ptx
