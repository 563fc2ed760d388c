#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>

#include "png_writer.hpp"
#include "text.hpp"

using nlohmann::ordered_json;

namespace {

std::string name_of(const Prediction& each, const Inputs& inputs) {
  return inputs.is_file && inputs.labelled ? "image " + std::to_string(each.sample)
                                           : inputs.samples->name(each.sample);
}

/// Returns null for what is not a number.
ordered_json number(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

const std::string& class_name(const TrainedNet& trained, std::int32_t label) {
  static const std::string none = "none";
  return label == no_class ? none : trained.classes[static_cast<std::size_t>(label)];
}

}  // namespace

void print_images(std::ostream& out, const Predictions& results, const TrainedNet& trained,
                  const Inputs& inputs) {
  for (const Prediction& each : results.each) {
    out << name_of(each, inputs) << ": ";
    if (trained.labels_pixels)
      out << percent(each.accuracy) << " of its pixels are right\n";
    else
      out << class_name(trained, each.predicted) << ", " << percent(each.probability) << '\n';
    if (each.logits.empty()) continue;
    for (const float logit : each.logits) {
      char text[32];
      std::snprintf(text, sizeof text, " %.9g", static_cast<double>(logit));
      out << text;
    }
    out << '\n';
  }
}

void print_json(std::ostream& out, const Predictions& results, const TrainedNet& trained,
                const Inputs& inputs) {
  ordered_json json{{"accuracy", results.matrix.accuracy()},
                    {"loss", results.loss()},
                    {"mean_iou", results.matrix.mean_intersection_over_union()},
                    {"classes", trained.classes},
                    {"confusion", ordered_json::array()},
                    {"per_class", ordered_json::array()},
                    {"images", ordered_json::array()}};
  if (!inputs.labelled) json.erase("accuracy"), json.erase("loss"), json.erase("mean_iou");
  for (std::size_t label = 0; label < trained.classes.size(); ++label) {
    ordered_json row = ordered_json::array();
    for (std::size_t taken = 0; taken < trained.classes.size(); ++taken)
      row.push_back(results.matrix.at(label, taken));
    json["confusion"].push_back(row);
    json["per_class"].push_back({{"class", trained.classes[label]},
                                 {"recall", number(results.matrix.recall(label))},
                                 {"precision", number(results.matrix.precision(label))},
                                 {"iou", number(results.matrix.intersection_over_union(label))}});
  }
  for (const Prediction& each : results.each) {
    ordered_json image{{"name", name_of(each, inputs)}};
    if (trained.labels_pixels) {
      image["pixel_accuracy"] = each.accuracy;
    } else {
      if (inputs.labelled) image["label"] = class_name(trained, each.label);
      image["predicted"] = class_name(trained, each.predicted);
      image["probability"] = each.probability;
    }
    if (inputs.labelled) image["loss"] = number(each.loss);
    json["images"].push_back(image);
  }
  out << json.dump(1) << '\n';
}

void save_masks(const std::filesystem::path& folder, Device& device, const Predictions& results,
                TrainedNet& trained, const Inputs& inputs) {
  std::filesystem::create_directories(folder);
  for (const Prediction& each : results.each) {
    const auto pixels = predicted_pixels(device, trained, inputs, each.sample);
    Picture mask{trained.input.h, trained.input.w, 1, {}};
    for (const std::int32_t pixel : pixels) mask.pixels.push_back(static_cast<std::uint8_t>(pixel));
    const auto bytes = encode_png(mask);
    const std::filesystem::path path = folder / (std::to_string(each.sample) + ".png");
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
    if (!file.flush()) throw std::runtime_error(path.string() + " cannot be written");
  }
}
