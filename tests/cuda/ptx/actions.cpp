// PTX instructions that involve several lanes, or that control where a lane continues.
#include <algorithm>
#include <bit>

#include "cuda/ptx/block_run.hpp"
#include "cuda/ptx/values.hpp"

namespace ptx {

BlockRun::Outcome BlockRun::branch(const Step& step) {
  each(step.here, [&](int lane) {
    int& at = step.warp.at[lane];
    at = (step.active >> lane & 1) != 0 ? step.in.target : at + 1;
  });
  return Outcome::moved;
}

BlockRun::Outcome BlockRun::leave(const Step& step) {
  step.warp.alive &= ~step.active;
  return Outcome::next;
}

BlockRun::Outcome BlockRun::nothing(const Step&) { return Outcome::next; }

BlockRun::Outcome BlockRun::trap(const Step& step) {
  if (step.active != 0) fail(step.in, "a trap");
  return Outcome::next;
}

BlockRun::Outcome BlockRun::barrier(const Step& step) {
  if (step.active != step.here) fail(step.in, "a barrier that not all lanes reach");
  step.warp.at_barrier |= step.here;
  return Outcome::moved;
}

/// Returns whether the lanes of a mask have arrived, and which lanes they are.
bool BlockRun::mask_is_here(const Step& step, const Operand& mask, std::uint32_t& lanes) const {
  const int first = std::countr_zero(step.here);
  const int count = std::min(32, threads_ - 32 * step.warp.number);
  lanes = static_cast<std::uint32_t>(value(step, mask, first));
  if (count < 32) lanes &= (1u << count) - 1;
  if ((lanes & ~step.warp.alive) != 0) fail(step.in, "a lane of the mask has returned");
  return (lanes & step.here) == lanes;
}

BlockRun::Outcome BlockRun::warp_barrier(const Step& step) {
  std::uint32_t lanes = 0;
  if (!mask_is_here(step, step.in.operands[0], lanes)) return Outcome::waits;
  ++step.warp.epoch;
  return Outcome::next;
}

BlockRun::Outcome BlockRun::shuffle(const Step& step) {
  const auto& operands = step.in.operands;
  std::uint32_t lanes = 0;
  if (!mask_is_here(step, operands.back(), lanes)) return Outcome::waits;
  Bits before[32] = {};
  each(step.active, [&](int lane) { before[lane] = value(step, operands[1], lane); });
  each(step.active, [&](int lane) {
    const int by = static_cast<int>(value(step, operands[2], lane) & 31);
    const int clamps = static_cast<int>(value(step, operands[3], lane));
    const int segment = clamps >> 8 & 31, last = (lane & segment) | (clamps & 31 & ~segment);
    int source = (lane & segment) | (by & ~segment);
    if (step.in.has("up")) source = lane - by;
    if (step.in.has("down")) source = lane + by;
    if (step.in.has("bfly")) source = lane ^ by;
    const bool inside = step.in.has("up") ? source >= last : source <= last;
    if (!inside) source = lane;
    if ((step.active >> source & 1) == 0)
      fail(step.in, "a shuffle reads lane " + std::to_string(source) + ", which is not there");
    set(step, operands[0], lane, before[source]);
    if (operands[0].predicate >= 0) {
      Operand predicate;
      predicate.reg = operands[0].predicate;
      set(step, predicate, lane, inside);
    }
  });
  return Outcome::next;
}

BlockRun::Outcome BlockRun::vote(const Step& step) {
  const auto& operands = step.in.operands;
  std::uint32_t lanes = 0, votes = 0;
  if (!mask_is_here(step, operands.back(), lanes)) return Outcome::waits;
  each(step.active, [&](int lane) {
    if ((value(step, operands[1], lane) & 1) != 0) votes |= 1u << lane;
  });
  Bits result = votes;
  if (step.in.has("all")) result = votes == lanes;
  if (step.in.has("any")) result = votes != 0;
  if (step.in.has("uni")) fail_type(step.in);
  each(step.active, [&](int lane) { set(step, operands[0], lane, result); });
  return Outcome::next;
}

BlockRun::Outcome BlockRun::active_mask(const Step& step) {
  each(step.active, [&](int lane) { set(step, step.in.operands[0], lane, step.here); });
  return Outcome::next;
}

/// Moves values, including between a register and its parts.
BlockRun::Outcome BlockRun::move(const Step& step) {
  const Operand &to = step.in.operands[0], &from = step.in.operands[1];
  const auto width = [&](const Operand& parts) {
    return 8 * bytes_of(step.in.type) / parts.parts.size();
  };
  each(step.active, [&](int lane) {
    Bits all = 0;
    if (from.kind == Operand::Kind::vector) {
      const Bits mask = (Bits{1} << width(from)) - 1;
      for (std::size_t i = 0; i < from.parts.size(); ++i)
        all |= (value(step, from.parts[i], lane) & mask) << (i * width(from));
    } else {
      all = value(step, from, lane);
    }
    if (to.kind == Operand::Kind::vector) {
      const Bits mask = (Bits{1} << width(to)) - 1;
      for (std::size_t i = 0; i < to.parts.size(); ++i)
        set(step, to.parts[i], lane, all >> (i * width(to)) & mask);
    } else {
      set(step, to, lane, all);
    }
  });
  return Outcome::next;
}

/// Does nothing: global addresses are the same in every address space.
BlockRun::Outcome BlockRun::convert_address(const Step& step) {
  if (step.in.space != Space::global) fail_type(step.in);
  return move(step);
}

}  // namespace ptx
