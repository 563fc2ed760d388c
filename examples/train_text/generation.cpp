#include "generation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "retrace/math/philox.hpp"
#include "trainer.hpp"

using retrace::Index;

std::uint8_t draw_byte(std::vector<float> logits, const SamplingOptions& options,
                       std::uint64_t number) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  if (options.temperature == 0) return static_cast<std::uint8_t>(order.front());
  if (options.top_k > 0 && options.top_k < order.size()) order.resize(options.top_k);
  std::vector<double> weights;
  for (std::size_t byte : order)
    weights.push_back(
        std::exp(static_cast<double>(logits[byte] - logits[order.front()]) / options.temperature));
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  double taken = 0;
  std::size_t count = 0;
  while (count < weights.size() && (count == 0 || taken < options.top_p * all))
    taken += weights[count++];
  retrace::Random random(options.seed, retrace::substream("generation"), number);
  double rest = random.uniform() * taken;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (rest < weights[i]) return static_cast<std::uint8_t>(order[i]);
    rest -= weights[i];
  }
  return static_cast<std::uint8_t>(order[count - 1]);
}

Model generating_model(Device& device, const ModelOptions& options, Model& trained) {
  Model model = build_model(device, options, Purpose::generate);
  const auto to = model.net.parameters(), from = trained.net.parameters();
  for (std::size_t i = 0; i < to.parameters.size(); ++i)
    retrace::copy(to.parameters[i].parameter->value.view(),
                  std::as_const(from.parameters.at(i).parameter->value).view());
  return model;
}

Generator::Generator(Device& device, const ModelOptions& options, Model model, bool cache)
    : device_(device),
      options_(options),
      model_(std::move(model)),
      cache_(cache && model_.decoding != nullptr) {}

std::vector<float> Generator::logits(std::span<const std::uint8_t> text) {
  const auto length = static_cast<std::size_t>(options_.length);
  if (text.size() - start_ > length) {
    start_ = text.size() - std::max<std::size_t>(1, length / 2);
    decoder_.reset();
  }
  if (cache_ && !decoder_) decoder_.emplace(model_.net, model_.decoding, options_.length);
  const auto seen = decoder_ ? static_cast<std::size_t>(decoder_->done()) : 0;
  const std::span<const std::uint8_t> fresh = text.subspan(start_ + seen);
  const auto positions = static_cast<Index>(fresh.size());
  Net::State x = token_tensor(device_, std::vector<std::int32_t>(fresh.begin(), fresh.end()),
                              {1, 1, positions, 1});
  if (decoder_)
    x = decoder_->forward(std::move(x));
  else
    model_.net.forward(x, retrace::inference);
  std::vector<float> logits(static_cast<std::size_t>(byte_values));
  const auto last = std::as_const(x).view();
  retrace::download(std::span(logits),
                    retrace::View<const float, Device>(device_, last.pixel(positions - 1),
                                                       {1, 1, 1, byte_values}, byte_values));
  return logits;
}

void generate(Generator& generator, const std::string& prompt, const SamplingOptions& options,
              const std::function<void(char)>& write) {
  std::vector<std::uint8_t> text(prompt.begin(), prompt.end());
  if (text.empty()) text.push_back('\n');
  for (std::size_t i = 0; i < options.bytes; ++i) {
    text.push_back(draw_byte(generator.logits(text), options, i));
    write(static_cast<char>(text.back()));
  }
}
