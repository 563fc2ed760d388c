#include "model.hpp"

#include <cmath>
#include <stdexcept>

#include "retrace/layer/token_embedding.hpp"
#include "retrace/net/transformer.hpp"

using retrace::Index;

namespace {

std::vector<retrace::AttentionKind> kinds(AttentionChoice choice) {
  using enum retrace::AttentionKind;
  switch (choice) {
    case AttentionChoice::full:
      return {full};
    case AttentionChoice::local:
      return {local};
    case AttentionChoice::lsh:
      return {lsh};
    case AttentionChoice::pattern:
      return {full, lsh};
  }
  throw std::invalid_argument("unknown attention");
}

retrace::TransformerOptions transformer_options(const ModelOptions& options) {
  retrace::TransformerOptions result;
  result.tokens = byte_values;
  result.channels = options.channels;
  result.layers = options.layers;
  result.heads = options.heads;
  result.feed_forward = options.feed_forward * options.channels;
  result.reversible = options.reversible;
  result.attention = kinds(options.attention);
  result.attention_chunk = options.attention_chunk;
  result.hash_rounds = options.hash_rounds;
  result.dropout = options.dropout;
  result.seed = options.seed;
  if (options.attention == AttentionChoice::pattern) result.window = 2 * options.attention_chunk;
  if (options.attention == AttentionChoice::local || options.attention == AttentionChoice::lsh) {
    // Chunks know no positions: these have a vector for each row and each column of a grid.
    result.positions = retrace::PositionKind::axial;
    result.axial_columns =
        static_cast<Index>(std::ceil(std::sqrt(static_cast<double>(options.length))));
    result.axial_rows = (options.length + result.axial_columns - 1) / result.axial_columns;
  }
  return result;
}

}  // namespace

void ModelOptions::require() const {
  if (channels % heads != 0)
    throw std::invalid_argument("--channels is " + std::to_string(channels) +
                                ", but must be a multiple of --heads " + std::to_string(heads));
  const bool turns = attention == AttentionChoice::full || attention == AttentionChoice::pattern;
  if (turns && channels / heads % 2 != 0)
    throw std::invalid_argument("--channels " + std::to_string(channels) + " and --heads " +
                                std::to_string(heads) +
                                " make heads of an odd number of channels, which exact attention "
                                "cannot turn by their positions");
}

Model build_model(Device& device, const ModelOptions& options, Purpose purpose) {
  const retrace::TransformerOptions chosen = transformer_options(options);
  const bool measured = purpose == Purpose::measure;
  retrace::TransformerBlocks<float, Device> make(device, chosen);
  Model model{
      {}, std::make_shared<retrace::Targets<Device>>(device, /*ignore=*/-1), make.decoding()};
  model.targets->allow_fewer(measured);
  model.net.add("embedding", retrace::TokenEmbedding<float, Device>(device,
                                                                    {.tokens = byte_values,
                                                                     .channels = options.channels,
                                                                     .deviation = 0.1,
                                                                     .any_input = measured},
                                                                    make.random()));
  make.add_layers(model.net);
  auto head = make.head(chosen.state_channels(), byte_values);
  if (purpose == Purpose::generate)
    model.net.add("head", std::move(head));
  else
    model.net.add("head", retrace::ChunkedHead(std::move(head), model.targets));
  return model;
}
