#include "recorded_options.hpp"

#include <nlohmann/json.hpp>

#include "data_options.hpp"

using nlohmann::ordered_json;

retrace::CheckpointMetadata recorded_input(const Options& options, const DataSet& data) {
  const retrace::Shape samples = data.train->shape(), net = options.net.image;
  const ordered_json input{{"height", samples.h},
                           {"width", samples.w},
                           {"channels", samples.c},
                           {"network-height", net.h},
                           {"network-width", net.w},
                           {"fit", name(options.reading.pictures.fit)},
                           {"mean", data.normalisation.mean},
                           {"inverse-deviation", data.normalisation.inverse_deviation}};
  return {{"classes", ordered_json(data.classes).dump()}, {"input", input.dump()}};
}

std::string recorded_options(const Options& options) {
  const retrace::NetOptions& net = options.net.options;
  ordered_json json{
      {"arch", name(options.net.architecture)},
      {"channels", net.channels},
      {"blocks", net.blocks},
      {"slope", net.slope},
      {"scale-floor", net.scale_floor},
      {"stream", retrace::name(net.stream)},
      {"fraction-bits",
       net.fraction_bits.empty() ? ordered_json("chosen") : ordered_json(net.fraction_bits)},
      {"drift-guard", !options.drift                                          ? "off"
                      : options.drift->policy == retrace::DriftPolicy::anchor ? "anchor"
                                                                              : "refuse"},
      {"drift-discard", options.drift ? options.drift->discard_below : 0},
      {"batch", options.batch},
      {"micro-batch", options.net.micro_batch},
      {"lr", options.learning_rate},
      {"momentum", options.momentum},
      {"weight-decay", options.weight_decay},
      {"clip", options.clip},
      {"clip-each", options.clip_each},
      {"train-images", options.reading.train_samples},
      {"eval-images", options.reading.test_samples},
      {"seed", options.seed}};
  // Older checkpoints do not have these keys, so the former values are not written.
  if (options.precision != "float") json["precision"] = options.precision;
  if (options.nesterov) json["nesterov"] = true;
  if (options.net.rule == Rule::adamw) {
    json["optimizer"] = name(options.net.rule);
    json["beta2"] = options.beta2;
    json["warm-up"] = options.warm_up;
  }
  if (options.net.architecture == Architecture::iresnet) json["lipschitz"] = options.net.lipschitz;
  if (options.net.architecture == Architecture::revvit) {
    const VisionOptions& vision = options.net.vision;
    json["patch"] = vision.patch;
    json["heads"] = vision.heads;
    json["dropout"] = vision.dropout;
  }
  if (options.label_smoothing > 0) json["label-smoothing"] = options.label_smoothing;
  if (options.crop_padding.value_or(4) != 4) json["crop-padding"] = *options.crop_padding;
  if (options.augment.value_or(Augment::crop_flip) != Augment::crop_flip)
    json["augment"] = name(*options.augment);
  if (!options.class_weights.empty()) json["class-weights"] = options.class_weights;
  if (options.reading.validation > 0) json["validation"] = options.reading.validation;
  if (options.net.labels_pixels) json["labels-pixels"] = true;
  if (!options.freeze.empty()) json["freeze"] = options.freeze;
  json[options.steps ? "steps" : "epochs"] = options.steps.value_or(options.epochs);
  return json.dump();
}
