#include "training_run.hpp"

void print_stop(const RunOptions& options, const Stop& stop) {
  std::cout << "stopped by " << stop.reason() << " before the last step; "
            << (options.checkpoint_dir.empty() ? "nothing is saved without --checkpoint-dir"
                                               : "the same command with --resume continues from " +
                                                     options.checkpoint_dir.string())
            << '\n';
}
