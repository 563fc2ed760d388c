// Runs launches from the PTX that nvcc compiled, instead of from a kernel's source.
#pragma once

#include <string>
#include <vector>

#include "cuda/ptx/module.hpp"

namespace ptx {

/// Scope guard: each launch runs the PTX entry with its kernel's mangled name. The program must
/// export its symbols.
class Interpreter {
 public:
  explicit Interpreter(const std::vector<std::string>& files);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  const Module& module() const { return module_; }

 private:
  Module module_;
};

}  // namespace ptx
