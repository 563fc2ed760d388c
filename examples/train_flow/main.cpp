// Trains normalising flows on images, tables or two moons.
#include "flow_program.hpp"

int main(int count, char** arguments) { return run_flow_program(count, arguments); }
