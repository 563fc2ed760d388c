// PTX loads, stores and atomics, with checked addresses.
#include <cstring>

#include "cuda/emulator/control.hpp"
#include "cuda/ptx/block_run.hpp"
#include "cuda/ptx/values.hpp"

namespace ptx {
namespace {

/// Reads a value from memory into register form: small signed values are sign-extended.
Bits read(const Instruction& in, const char* from) {
  Bits held = 0;
  std::memcpy(&held, from, bytes_of(in.type));
  if (in.type == Type::s8) return bits(std::int32_t{as<std::int8_t>(held)});
  if (in.type == Type::s16) return bits(std::int32_t{as<std::int16_t>(held)});
  return held;
}

std::size_t access_bytes(const Instruction& in) { return bytes_of(in.type) * in.vector; }

}  // namespace

/// Returns the address of a lane's access, and fails if the access is invalid.
char* BlockRun::location(const Step& step, const Operand& address, int lane, bool writes) {
  const Instruction& in = step.in;
  const std::size_t bytes = access_bytes(in);
  const int thread = 32 * step.warp.number + lane;
  Operand base = address;
  base.kind = Operand::Kind::reg;
  const Bits at =
      (address.reg >= 0 ? value(step, base, lane) : 0) + static_cast<Bits>(address.offset);
  if (at % bytes != 0)
    fail(in, "a misaligned access of " + std::to_string(bytes) + " bytes by thread " +
                 std::to_string(thread));
  const auto outside = [&](std::size_t size, const char* name) {
    fail(in, "an access to byte " + std::to_string(static_cast<std::int64_t>(at)) + " of " +
                 std::to_string(size) + " in " + name + " memory, by thread " +
                 std::to_string(thread));
  };
  switch (in.space) {
    case Space::param:
      if (at > parameters_.size() || bytes > parameters_.size() - at)
        outside(parameters_.size(), "parameter");
      return parameters_.data() + at;
    case Space::local:
      if (!entry_.local.hold(at, bytes)) outside(entry_.local.bytes, "local");
      return local_.data() + static_cast<std::size_t>(thread) * entry_.local.bytes + at;
    case Space::shared:
      if (!entry_.shared.hold(at, bytes)) outside(entry_.shared.bytes, "shared");
      check_race(step, at, bytes, thread, writes);
      return shared_.data() + at;
    default:
      break;
  }
  auto* global = reinterpret_cast<char*>(at);
  if (!emulator::is_live(global, bytes))
    fail(in, "an access outside of every device allocation, by thread " + std::to_string(thread) +
                 " of block " + std::to_string(index_.x));
  return global;
}

void BlockRun::check_race(const Step& step, std::size_t offset, std::size_t bytes, int thread,
                          bool writes) {
  const auto clashes = [&](const Word::Access& other) {
    const bool same_warp = other.thread / 32 == step.warp.number;
    return other.thread >= 0 && other.thread != thread && other.block_epoch == epoch_ &&
           (!same_warp || other.warp_epoch == step.warp.epoch);
  };
  for (std::size_t i = offset / 4; i <= (offset + bytes - 1) / 4; ++i) {
    Word& word = words_[i];
    for (const Word::Access* other : {&word.write, &word.read}) {
      if ((other == &word.read && !writes) || !clashes(*other)) continue;
      fail(step.in, "a race in shared memory between threads " + std::to_string(other->thread) +
                        " and " + std::to_string(thread));
    }
    (writes ? word.write : word.read) = {thread, epoch_, step.warp.epoch};
  }
}

BlockRun::Outcome BlockRun::load(const Step& step) {
  const Operand &to = step.in.operands[0], &address = step.in.operands[1];
  each(step.active, [&](int lane) {
    const char* from = location(step, address, lane, false);
    if (to.kind != Operand::Kind::vector) {
      set(step, to, lane, read(step.in, from));
      return;
    }
    for (std::size_t i = 0; i < to.parts.size(); ++i)
      set(step, to.parts[i], lane, read(step.in, from + i * bytes_of(step.in.type)));
  });
  return Outcome::next;
}

BlockRun::Outcome BlockRun::store(const Step& step) {
  const Operand &address = step.in.operands[0], &from = step.in.operands[1];
  const std::size_t bytes = bytes_of(step.in.type);
  each(step.active, [&](int lane) {
    char* to = location(step, address, lane, true);
    const auto put = [&](const Operand& operand, std::size_t i) {
      const Bits held = value(step, operand, lane);
      std::memcpy(to + i * bytes, &held, bytes);
    };
    if (from.kind != Operand::Kind::vector) {
      put(from, 0);
      return;
    }
    for (std::size_t i = 0; i < from.parts.size(); ++i) put(from.parts[i], i);
  });
  return Outcome::next;
}

/// atom returns the old value; red has no destination and does not.
BlockRun::Outcome BlockRun::atomic(const Step& step) {
  const auto& operands = step.in.operands;
  const std::size_t first = step.in.name == "red" ? 0 : 1;
  each(step.active, [&](int lane) {
    char* at = location(step, operands[first], lane, true);
    const Bits sources[] = {read(step.in, at), value(step, operands[first + 1], lane)};
    Bits made = 0;
    if (step.in.has("add"))
      made = add(step.in, sources);
    else if (step.in.has("max"))
      made = maximum(step.in, sources);
    else if (step.in.has("exch"))
      made = sources[1];
    else if (step.in.has("cas"))
      made = sources[0] == low(sources[1], step.in.type) ? value(step, operands[first + 2], lane)
                                                         : sources[0];
    else
      fail_type(step.in);
    std::memcpy(at, &made, bytes_of(step.in.type));
    if (first == 1) set(step, operands[0], lane, sources[0]);
  });
  return Outcome::next;
}

}  // namespace ptx
