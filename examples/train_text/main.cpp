// Trains a language model on the bytes of any file or folder.
#include "command_line.hpp"
#include "program.hpp"

int main(int count, char** arguments) {
  return run_and_report("train_text", [&] { return train_text(parse_options(count, arguments)); });
}
