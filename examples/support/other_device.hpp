// Switches to the same program for another device.
#pragma once

#include <string>

/// Replaces this process by the program <name>_<device> in the same folder, with the same
/// arguments; for "cpu" by <name>.
/// @throws std::runtime_error if there is no such program.
void become_program_for(const std::string& device, char** arguments);
