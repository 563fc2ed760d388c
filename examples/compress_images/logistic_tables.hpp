// Codes integers by discretised logistic distributions, from tables of quantised parameters.
#pragma once

#include <cstdint>
#include <vector>

#include "entropy_coder.hpp"

/// A distribution of the tables: integers around `centre`.
struct QuantisedLogistic {
  std::int32_t centre;  ///< the integer below the mean
  int table;
};

/// P(q) = σ((q + ½ − m)/s) − σ((q − ½ − m)/s) for means m in steps of 1/16 and scales s in steps of
/// 2^(1/4), as shares of coder_total. Every integer has a share: those far from the mean are an
/// escape, followed by their distance in an exponential Golomb code.
class LogisticTables {
 public:
  LogisticTables();

  /// Returns the nearest distribution. The result depends only on the bits of the arguments.
  /// @param log_scale  the natural logarithm of s
  /// @throws std::domain_error if an argument is not finite, or the mean exceeds 2^24.
  QuantisedLogistic nearest(float mean, float log_scale) const;

  void encode(SymbolEncoder& coder, QuantisedLogistic by, std::int32_t q) const;
  /// @throws retrace::DataError if the words are damaged.
  std::int32_t decode(SymbolDecoder& coder, QuantisedLogistic by) const;

 private:
  struct Table {
    std::int32_t reach;  ///< distances −reach to reach have symbols; the last symbol is the escape
    std::vector<std::uint32_t> first;  ///< of each symbol, then coder_total

    SymbolShare share(std::size_t symbol) const {
      return {first[symbol], first[symbol + 1] - first[symbol]};
    }
  };

  static Table make_table(double mean, double scale);

  std::vector<Table> tables_;  ///< by scale, then by mean
};
