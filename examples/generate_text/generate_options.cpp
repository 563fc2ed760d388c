#include "generate_options.hpp"

#include <stdexcept>

#include "command_line.hpp"
#include "option_table.hpp"

GenerateOptions parse_generate_options(int count, const char* const* arguments) {
  CLI::App app("Continues a text by a model that train_text has saved.", "generate_text");
  OptionTable table(app);
  GenerateOptions options;
  SamplingOptions& sampling = options.sampling;
  table.text("--model", options.model, "PATH",
             "checkpoint of train_text, or its --checkpoint-dir, of which the best is taken");
  table.text("--prompt", options.prompt, "TEXT", "text to continue; any bytes");
  table.count("--bytes", sampling.bytes, "to generate (default 200)", 0);
  table.number("--temperature", sampling.temperature,
               "divides the logits (default 0.8); 0 takes the most probable byte");
  table.count("--top-k", sampling.top_k, "draw from so many of the most probable bytes", 0);
  table.number("--top-p", sampling.top_p,
               "draw from the fewest bytes whose probabilities add up to this (default 1)", 1);
  table.count("--seed", sampling.seed, "of the draws (default 0)", 0);
  table.count("--threads", options.threads,
              "to compute with (default 0: as many as there are processors)", 0);
  table.flag("--no-cache", options.no_cache, "compute all earlier positions again for each byte");
  table.flag("--speed", options.speed, "print the time per byte to stderr");
  parse_command_line(app, count, arguments);
  if (options.model.empty())
    throw std::invalid_argument("--model is missing: name a checkpoint of train_text");
  sampling.cache = !options.no_cache;
  return options;
}
