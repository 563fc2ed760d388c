#include "trained_net.hpp"

#include <nlohmann/json.hpp>

#include "retrace/net/inference.hpp"
#include "retrace/train/weights.hpp"

using nlohmann::json;
using retrace::DataError, retrace::Index;

namespace {

/// Returns the item of `all` with the given name, such as "revnet" in all_architectures.
template <class All>
auto item(const All& all, const std::string& wanted) {
  for (const auto each : all)
    if (name(each) == wanted) return each;
  throw DataError("'" + wanted + "' is unknown");
}

Fit fit_of(const std::string& text) {
  if (text == "pad") return Fit::pad;
  if (text == "crop") return Fit::crop;
  if (text == "stretch") return Fit::stretch;
  throw DataError("fit '" + text + "' is unknown");
}

void read_input(TrainedNet& trained, const std::string& text) {
  const json input = json::parse(text);
  const auto size = [&](const char* key) {
    const Index value = input.at(key);
    if (value < 1 || value > (1 << 14)) throw DataError(std::string(key) + " is out of range");
    return value;
  };
  trained.sample = {1, size("height"), size("width"), size("channels")};
  trained.input = {1, size("network-height"), size("network-width"), trained.sample.c};
  trained.fit = fit_of(input.at("fit"));
  trained.normalisation = {input.at("mean").get<std::vector<double>>(),
                           input.at("inverse-deviation").get<std::vector<double>>()};
  if (std::ssize(trained.normalisation.mean) != trained.sample.c ||
      std::ssize(trained.normalisation.inverse_deviation) != trained.sample.c)
    throw DataError("the normalisation does not have as many channels as the images");
}

NetChoice choice_of(const TrainedNet& trained, const json& options) {
  NetChoice choice;
  choice.architecture = item(all_architectures, options.at("arch"));
  choice.options = usual_size(choice.architecture);
  choice.options.channels = options.at("channels").get<std::vector<Index>>();
  choice.options.blocks = options.at("blocks").get<std::vector<Index>>();
  choice.options.slope = options.value("slope", choice.options.slope);
  choice.options.scale_floor = options.value("scale-floor", choice.options.scale_floor);
  choice.options.stream = item(retrace::all_streams, options.value("stream", "float"));
  choice.vision.patch = options.value("patch", choice.vision.patch);
  choice.vision.heads = options.value("heads", choice.vision.heads);
  choice.lipschitz = options.value("lipschitz", choice.lipschitz);
  choice.image = trained.input;
  choice.options.image_channels = trained.sample.c;
  choice.options.classes = std::ssize(trained.classes);
  choice.options.trains = false;
  choice.labels_pixels = trained.labels_pixels;
  choice.mode = memory_modes(choice.architecture).front();
  return choice;
}

}  // namespace

TrainedNet load_trained_net(Device& device, const std::filesystem::path& weights) {
  const retrace::SafetensorsFile file(weights);
  const std::string* text = file.header().find("options");
  if (!text)
    throw DataError(file.name() + ": its metadata has no 'options' that describe the network");
  TrainedNet trained{.classes = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog",
                                 "horse", "ship", "truck"},
                     // as the trainer measures them on CIFAR-10
                     .normalisation = {{125.3, 123.0, 113.9}, {1 / 63.0, 1 / 62.1, 1 / 66.7}}};
  try {
    if (const std::string* classes = file.header().find("classes"))
      trained.classes = json::parse(*classes).get<std::vector<std::string>>();
    if (const std::string* input = file.header().find("input")) read_input(trained, *input);
    const json options = json::parse(*text);
    trained.labels_pixels = options.value("labels-pixels", false);
    trained.validation = options.value("validation", 0.0);
    trained.net = build_net(device, choice_of(trained, options));
  } catch (const json::exception& error) {
    throw DataError(file.name() + ": its metadata is damaged: " + error.what());
  } catch (const DataError& error) {
    throw DataError(file.name() + ": its metadata cannot be used: " + error.what());
  }
  retrace::load_weights(weights, trained.net.parameters());
  retrace::fold(trained.net);
  return trained;
}
