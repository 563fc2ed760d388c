// The reader of options in JSON: an error that names what is wrong, or options.
#include "memory_file.hpp"
#include "options.hpp"
#include "options_file.hpp"
#include "recorded_options.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    for (const OptionEntry& entry : read_option_entries("text", text))
      require(!entry.values.empty());
    require(option_differences(text, text).empty());
  } catch (const std::invalid_argument& error) {
    require(std::string_view(error.what()).find(": ") != std::string_view::npos);
  }

  const MemoryFile file(std::span(data, size));
  const std::string path = file.path();
  const char* const arguments[] = {"train_cifar10", "--options", path.c_str()};
  try {
    const Options options =
        parse_options({.name = "train_cifar10", .for_cifar10 = true}, 3, arguments);
    require(option_differences(recorded_options(options), recorded_options(options)).empty());
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
