// Runs one block of a kernel in PTX, warp by warp.
//
// Lanes of a warp at the same instruction execute it together; those furthest behind go first. A
// shuffle waits for the lanes of its mask, a barrier for all threads of the block.
#pragma once

#include <bit>
#include <cstdint>
#include <random>
#include <vector>

#include "cuda/emulator/launch.hpp"
#include "cuda/ptx/arithmetic.hpp"
#include "cuda/ptx/module.hpp"

namespace ptx {

/// Calls f with each lane of a mask.
template <class F>
void each(std::uint32_t lanes, F&& f) {
  for (; lanes != 0; lanes &= lanes - 1) f(std::countr_zero(lanes));
}

class BlockRun {
 public:
  BlockRun(const Entry& entry, const emulator::Grid& grid, std::vector<char> parameters,
           unsigned seed);

  void run(uint3 index);

 private:
  struct Warp {
    int number = 0;
    std::vector<Bits> registers;  ///< [register][lane]
    int at[32] = {};              ///< the instruction of each lane
    std::uint32_t alive = 0, at_barrier = 0;
    std::uint64_t epoch = 0;  ///< number of synchronisations of its lanes
  };

  enum class Outcome {
    next,   ///< its lanes continue with the next instruction
    moved,  ///< its lanes have already been moved
    waits,  ///< its lanes wait for other lanes
  };

  /// `here` are the lanes at the instruction; `active` are those among them whose guard is true.
  struct Step {
    Warp& warp;
    const Instruction& in;
    std::uint32_t here, active;
  };
  using Action = Outcome (BlockRun::*)(const Step&);
  struct Decoded {
    Pure pure;
    Action action;
  };

  /// The last accesses of a word of shared memory, for detecting races.
  struct Word {
    struct Access {
      int thread = -1;
      std::uint64_t block_epoch = 0, warp_epoch = 0;
    } write, read;
  };

  // Control
  void begin_block(uint3 index);
  bool run_warp(Warp& warp);
  bool run_some(Warp& warp, std::uint32_t lanes);
  bool release_barrier();
  Outcome execute(const Step& step, const Decoded& decoded);
  Outcome branch(const Step& step);
  Outcome leave(const Step& step);
  Outcome nothing(const Step& step);
  Outcome trap(const Step& step);
  Outcome barrier(const Step& step);
  Outcome warp_barrier(const Step& step);
  Outcome shuffle(const Step& step);
  Outcome vote(const Step& step);
  Outcome active_mask(const Step& step);
  Outcome move(const Step& step);
  Outcome convert_address(const Step& step);
  bool mask_is_here(const Step& step, const Operand& mask, std::uint32_t& lanes) const;

  // Memory
  Outcome load(const Step& step);
  Outcome store(const Step& step);
  Outcome atomic(const Step& step);
  char* location(const Step& step, const Operand& address, int lane, bool writes);
  void check_race(const Step& step, std::size_t offset, std::size_t bytes, int thread, bool writes);

  // Registers
  Bits value(const Step& step, const Operand& operand, int lane) const;
  void set(const Step& step, const Operand& operand, int lane, Bits value);
  Bits special(const Warp& warp, Special which, int lane) const;
  [[noreturn]] void fail(const Instruction& in, const std::string& what) const;

  static Decoded decode(const Instruction& in);

  const Entry& entry_;
  const emulator::Grid& grid_;
  std::vector<char> parameters_;
  std::vector<Decoded> decoded_;
  std::vector<Warp> warps_;
  std::vector<char> shared_, local_;
  std::vector<Word> words_;
  int threads_;
  uint3 index_{};
  std::uint64_t epoch_ = 1;  ///< number of barriers
  std::mt19937 random_;
  bool shuffled_;
};

}  // namespace ptx
