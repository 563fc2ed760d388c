#include "logistic_tables.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

#include "retrace/core/error.hpp"

namespace {

constexpr int means = 16, scales = 49, scales_per_octave = 4;
constexpr double lowest_log2_scale = -4.5;  // s from 0.044 to 181
constexpr int most_reach = 1024;

double sigmoid(double x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}

/// Maps …, −2, −1, 0, 1, … to 3, 1, 0, 2, …
std::uint32_t folded(std::int32_t value) {
  return value < 0 ? ~(static_cast<std::uint32_t>(value) << 1)
                   : static_cast<std::uint32_t>(value) << 1;
}
std::int32_t unfolded(std::uint32_t value) {
  return static_cast<std::int32_t>(value & 1 ? ~(value >> 1) : value >> 1);
}

/// Exponential Golomb code: the number of bits below the highest in 5 bits, then these bits.
void encode_distance(SymbolEncoder& coder, std::uint32_t value) {
  const std::uint64_t number = std::uint64_t{value} + 1;
  const int bits = static_cast<int>(std::bit_width(number)) - 1;
  coder.add_bits(static_cast<std::uint32_t>(bits), 6);
  for (int left = bits; left > 0;) {
    const int some = std::min(left, 16);
    left -= some;
    coder.add_bits(static_cast<std::uint32_t>(number >> left) & ((1u << some) - 1), some);
  }
}
std::uint32_t decode_distance(SymbolDecoder& coder) {
  const int bits = static_cast<int>(coder.take_bits(6));
  if (bits > 32)
    throw retrace::DataError("a block of images is damaged: it has a distance of " +
                             std::to_string(bits) + " bits, but at most 32 are possible");
  std::uint64_t number = 1;
  for (int left = bits; left > 0;) {
    const int some = std::min(left, 16);
    left -= some;
    number = number << some | coder.take_bits(some);
  }
  return static_cast<std::uint32_t>(number - 1);
}

}  // namespace

LogisticTables::LogisticTables() {
  for (int scale = 0; scale < scales; ++scale)
    for (int mean = 0; mean < means; ++mean)
      tables_.push_back(make_table(
          static_cast<double>(mean) / means,
          std::exp2(lowest_log2_scale + static_cast<double>(scale) / scales_per_octave)));
}

LogisticTables::Table LogisticTables::make_table(double mean, double scale) {
  Table table{std::min(most_reach, static_cast<int>(std::ceil(10 * scale)) + 2), {}};
  const std::size_t symbols = 2 * static_cast<std::size_t>(table.reach) + 2;
  // Each symbol has one share, and the others are distributed by probability.
  const double shared = static_cast<double>(coder_total) - static_cast<double>(symbols);
  std::vector<std::uint32_t> widths;
  std::uint32_t sum = 0;
  double inside = 0;
  for (int d = -table.reach; d <= table.reach; ++d) {
    const double above = (d + 0.5 - mean) / scale, below = (d - 0.5 - mean) / scale;
    const double p =
        above < 0 ? sigmoid(above) - sigmoid(below) : sigmoid(-below) - sigmoid(-above);
    inside += p;
    widths.push_back(1 + static_cast<std::uint32_t>(shared * p));
    sum += widths.back();
  }
  widths.push_back(1 + static_cast<std::uint32_t>(shared * std::max(0.0, 1 - inside)));
  sum += widths.back();
  // Rounding down has left some over.
  *std::max_element(widths.begin(), widths.end()) += coder_total - sum;
  std::uint32_t first = 0;
  for (const std::uint32_t width : widths) {
    table.first.push_back(first);
    first += width;
  }
  table.first.push_back(first);
  return table;
}

QuantisedLogistic LogisticTables::nearest(float mean, float log_scale) const {
  if (!(std::abs(mean) <= 0x1p24f) || !std::isfinite(log_scale))
    throw std::domain_error("the model predicts a mean of " + std::to_string(mean) +
                            " and a log-scale of " + std::to_string(log_scale) +
                            ", but both must be finite and the mean at most 2^24");
  constexpr double octave = 1.4426950408889634;  // 1/ln 2
  const double index = std::nearbyint(scales_per_octave * (log_scale * octave - lowest_log2_scale));
  const auto scale = static_cast<int>(std::clamp(index, 0.0, scales - 1.0));
  const auto steps = static_cast<std::int32_t>(std::lround(static_cast<double>(mean) * means));
  return {steps >> 4, scale * means + (steps & (means - 1))};
}

void LogisticTables::encode(SymbolEncoder& coder, QuantisedLogistic by, std::int32_t q) const {
  const Table& table = tables_[static_cast<std::size_t>(by.table)];
  const std::int64_t distance = std::int64_t{q} - by.centre;
  if (std::abs(distance) <= table.reach)
    return coder.add(table.share(static_cast<std::size_t>(distance + table.reach)));
  coder.add(table.share(table.first.size() - 2));
  encode_distance(coder, folded(q));
}

std::int32_t LogisticTables::decode(SymbolDecoder& coder, QuantisedLogistic by) const {
  const Table& table = tables_[static_cast<std::size_t>(by.table)];
  const auto after = std::upper_bound(table.first.begin(), table.first.end(), coder.next());
  const auto symbol = static_cast<std::size_t>(after - table.first.begin()) - 1;
  coder.take(table.share(symbol));
  if (symbol + 2 < table.first.size())
    return by.centre + static_cast<std::int32_t>(symbol) - table.reach;
  return unfolded(decode_distance(coder));
}
