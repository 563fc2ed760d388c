// The trainer as a program: what its command line asks for, from the start to the exit status.
#pragma once

#include <string>

/// What the programs made of the trainer differ in.
struct Program {
  std::string name, description;
  /// The data, the network, the epochs and the changes of training images that are usual for
  /// CIFAR-10 are the defaults; without it they depend on the data.
  bool for_cifar10 = false;
};

/// Returns the exit status. Errors are written to stderr, behind the name.
int run_program(const Program& program, int count, char** arguments);
