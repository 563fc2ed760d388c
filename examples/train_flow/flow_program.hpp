// Runs train_flow.
#pragma once

/// Returns the exit status of the program.
int run_flow_program(int count, char** arguments);
