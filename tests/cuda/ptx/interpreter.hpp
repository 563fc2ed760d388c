// Launches run what nvcc compiled of a kernel, in place of its source.
#pragma once

#include <string>
#include <vector>

#include "cuda/ptx/module.hpp"

namespace ptx {

/// While one lives, each launch runs the entry that has its kernel's mangled name. The program must
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
