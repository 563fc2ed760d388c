// Trains a language model on the bytes of any file or folder.
#include "program.hpp"

int main(int count, char** arguments) {
  return run_on_ranks("train_text", [&](Ranks& ranks) {
    return train_text(parse_options(count, arguments), ranks);
  });
}
