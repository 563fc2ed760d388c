// Handing over to the same program for another device.
#pragma once

#include <string>

/// Becomes the program of this one's name and _<device> that lies beside it, with the same
/// arguments; for "cpu" that whose name ends in no device.
/// @throws std::runtime_error if there is none.
void become_program_for(const std::string& device, char** arguments);
