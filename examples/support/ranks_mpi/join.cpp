// Connects the ranks of a training by MPI. Ranks::join loads it if mpirun has started the program.
#include "retrace/parallel/any_communicator.hpp"
#include "retrace/parallel/mpi_communicator.hpp"

extern "C" void join_ranks_by_mpi(retrace::AnyCommunicator& ranks, const std::string& program) {
  ranks = retrace::AnyCommunicator::of<retrace::MpiCommunicator>(
      retrace::MpiOptions{.program = program});
}
