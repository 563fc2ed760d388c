// Kernels for packs of 128 bits use 128-bit accesses on every architecture.
#include <cxxabi.h>

#include <cstdlib>
#include <regex>

#include "cuda/emulator/control.hpp"
#include "cuda/interpreted/kernels.hpp"
#include "cuda/ptx/module.hpp"
#include "support/catch.hpp"

using namespace retrace::test;

namespace {

std::string readable(const std::string& mangled) {
  int status = 0;
  char* const text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  const std::string name = status == 0 ? text : mangled;
  std::free(text);
  return name;
}

/// Returns the element type of an instance for packs of 128 bits, or nothing: for
/// "walk_kernel<Add<float, 4> >" it is float, for "walk_kernel<Add<float, 1> >" nothing.
std::string wide_type(const std::string& kernel) {
  static const std::regex wide(
      "(walk|reduce|channel_sums|moments)_kernel<(retrace::kernels::\\w+<)?"
      "(unsigned char, 16|short, 8|(int|float), 4|(long|double), 2)\\b.*");
  std::smatch found;
  if (!std::regex_search(kernel, found, wide)) return "";
  return found[3].str().substr(0, found[3].str().find(','));
}

struct Accesses {
  int wide = 0;           ///< accesses of 128 bits
  int single_floats = 0;  ///< accesses of one float
};

Accesses global_accesses(const ptx::Entry& entry) {
  Accesses all;
  for (const ptx::Instruction& in : entry.code) {
    if ((in.name != "ld" && in.name != "st") || in.space != ptx::Space::global) continue;
    all.wide += in.vector * ptx::bytes_of(in.type) == 16;
    all.single_floats += in.vector == 1 && in.type == ptx::Type::f32;
  }
  return all;
}

}  // namespace

TEST_CASE("packs of 128 bits are read and written at once") {
  for (int architecture : architectures) {
    int floats = 0, doubles = 0;
    for (const std::string& file : ptx_of_kernels(architecture))
      for (const auto& [mangled, entry] : ptx::read_module(file)) {
        const std::string kernel = readable(mangled), type = wide_type(kernel);
        if (type.empty()) continue;
        CAPTURE(architecture, kernel);
        const Accesses accesses = global_accesses(entry);
        CHECK(accesses.wide > 0);
        CHECK(accesses.single_floats == 0);
        floats += type == "float";
        doubles += type == "double";
      }
    CAPTURE(architecture);
    CHECK(floats > 20);
    CHECK(doubles > 20);
  }
}
