// The trainer as a program, from its command line to its exit status.
#pragma once

#include <string>

/// The differences between the programs that use the trainer.
struct Program {
  std::string name, description;
  /// Uses the usual data, network, epochs and image changes of CIFAR-10 as defaults. If false, the
  /// defaults depend on the data.
  bool for_cifar10 = false;
};

/// Runs the program and returns its exit status. Writes errors to stderr after the program name.
int run_program(const Program& program, int count, char** arguments);
