// PTX as written by nvcc, parsed into instructions.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace ptx {

/// The contents of a register. The low bits are those of its type.
using Bits = std::uint64_t;

enum class Type {
  none,
  pred,
  b8,
  b16,
  b32,
  b64,
  u8,
  u16,
  u32,
  u64,
  s8,
  s16,
  s32,
  s64,
  f16,
  bf16,
  f16x2,
  f32,
  f64
};
std::size_t bytes_of(Type type);

enum class Space { generic, global, shared, param, local };

struct Operand {
  enum class Kind { none, reg, immediate, address, vector, special } kind = Kind::none;
  int reg = -1;             ///< number of a register or special register; base of an address
  Bits value = 0;           ///< value of an immediate
  std::int64_t offset = 0;  ///< offset of an address
  std::vector<Operand> parts;
  int predicate = -1;  ///< the register after a |
  bool negated = false;
};

/// The read-only registers, in the order of Operand::reg.
enum class Special {
  tid_x,
  tid_y,
  tid_z,
  ntid_x,
  ntid_y,
  ntid_z,
  ctaid_x,
  ctaid_y,
  ctaid_z,
  nctaid_x,
  nctaid_y,
  nctaid_z,
  laneid,
  warpid
};

struct Instruction {
  std::string name, text;
  std::vector<std::string> modifiers;
  Type type = Type::none;   ///< the last type that is named
  Type first = Type::none;  ///< the type before it, which is the result of a conversion
  Space space = Space::generic;
  unsigned vector = 1;
  int guard = -1;
  bool guard_negated = false;
  std::vector<Operand> operands;
  std::string label;
  int target = -1;  ///< target of a branch
  int line = 0;

  bool has(const char* modifier) const {
    return std::find(modifiers.begin(), modifiers.end(), modifier) != modifiers.end();
  }
};

struct Parameter {
  std::string name;
  std::size_t bytes, offset;
};

/// Arrays of an address space, separated by gaps that must not be accessed.
struct Arrays {
  struct Array {
    std::size_t offset, bytes;
  };
  std::unordered_map<std::string, Array> arrays;
  std::size_t bytes = 0;

  void add(const std::string& name, std::size_t size, std::size_t alignment);

  /// Returns whether the bytes starting at `offset` are inside one array.
  bool hold(std::size_t offset, std::size_t count) const;
};

struct Entry {
  std::string name;
  std::vector<Parameter> parameters;
  std::size_t parameter_bytes = 0;
  std::unordered_map<std::string, int> registers;
  Arrays shared, local;
  std::vector<Instruction> code;
};

/// Kernels by their mangled names.
using Module = std::map<std::string, Entry>;

/// Reads a file. An emulator::Error names the line of an unsupported statement.
Module read_module(const std::string& path);

}  // namespace ptx
