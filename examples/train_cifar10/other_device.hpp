// Handing over to the program that trains on another device.
#pragma once

#include <string>

/// Becomes train_cifar10_<device> beside this program, with the same arguments; "train_cifar10" for
/// "cpu".
/// @throws std::runtime_error if there is none.
void become_program_for(const std::string& device, char** arguments);
