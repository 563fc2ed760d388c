// Attention within chunks of positions and of hash buckets, on the host.
#pragma once

#include <cstdint>
#include <functional>

#include "retrace/cpu/chunk_attention.hpp"
#include "retrace/cpu/elementwise.hpp"
#include "retrace/math/lsh.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// The work of the products of an attention in chunks: `products` of them, per pair and channel.
template <class T>
Work chunk_work(Shape y, const ChunkAttentionTerms& terms, Index products) {
  const Index chunk = std::min(terms.chunk, std::max<Index>(y.h * y.w, 1));
  return {static_cast<double>(products * terms.rounds * 2 * chunk) * static_cast<double>(y.size()),
          sweep_work<T>(y, 4).bytes};
}

/// Calls body(attention, image, head, orders) for the heads of all sequences, each with a workspace
/// of its own.
/// @param buckets  null: not hashed
template <class T, class Body>
void for_each_head(Cpu& device, Shape y, const ChunkAttentionTerms& terms,
                   const View<const std::uint16_t, Cpu>* buckets, Index bucket_count, bool backward,
                   Body body) {
  const Index positions = y.h * y.w, channels = y.c / terms.heads, threads = device.threads();
  const ChunkAttention<T> model(terms, positions, channels, buckets != nullptr);
  const Index elements = model.elements(backward),
              sorted = buckets ? ChunkOrders::elements(positions, terms.rounds, bucket_count) : 0,
              integers = model.integers() + sorted;
  Tensor<T, Cpu> memory(device, {threads, 1, 1, elements}, Use::workspace);
  Tensor<std::int32_t, Cpu> numbers(device, {threads, 1, 1, integers}, Use::workspace);
  const auto part = [](auto& tensor, Index size, int thread) {
    return std::span(tensor.data() + thread * size, static_cast<std::size_t>(size));
  };
  device.parallel(y.n * terms.heads, chunk_work<T>(y, terms, backward ? 7 : 2),
                  [&](Index first, Index last, int thread) {
                    ChunkAttention<T> attention(model);
                    const auto own = part(numbers, integers, thread);
                    attention.set_memory(
                        Arena<T>(part(memory, elements, thread)),
                        Arena<std::int32_t>(own.first(own.size() - std::size_t(sorted))), backward);
                    for (Index i = first; i < last; ++i) {
                      ChunkOrders orders;
                      const Index image = i / terms.heads, head = i % terms.heads;
                      if (buckets)
                        orders.sort(buckets->pixel(image * positions) + head * terms.rounds,
                                    buckets->pitch(), positions, terms.rounds, bucket_count,
                                    std::min(terms.chunk, std::max<Index>(positions, 1)),
                                    Arena<std::int32_t>(own.last(std::size_t(sorted))));
                      body(attention, image, head, orders);
                    }
                  });
}

/// The rows of one head in a part of the channels, of which there are `parts` of the size of y.
template <class U>
HeadRows<U> head_rows(View<U, Cpu> x, Shape y, Index heads, Index image, Index head, Index part) {
  return {x.pixel(image * y.h * y.w) + part * y.c + head * (y.c / heads), x.pitch()};
}

/// Computes y =, += or −= the attention of x, whose channels are (q, k, v), or (qk, v) if hashed.
template <class T>
void chunk_attention(View<T, Cpu> y, ConstView<T, Cpu> x, const ChunkAttentionTerms& terms,
                     const View<const std::uint16_t, Cpu>* buckets, Index bucket_count, Store how) {
  const Shape shape = y.shape();
  const bool hashed = buckets != nullptr;
  for_each_head<T>(
      y.device(), shape, terms, buckets, bucket_count, false,
      [&](ChunkAttention<T>& attention, Index image, Index head, const ChunkOrders& orders) {
        const auto part = [&](Index p) {
          return head_rows(View<const T, Cpu>(x), shape, terms.heads, image, head, p);
        };
        attention.set_inputs(part(0), hashed ? HeadRows<const T>{} : part(1), part(hashed ? 1 : 2),
                             &orders);
        const HeadRows<T> out = head_rows(y, shape, terms.heads, image, head, 0);
        attention.apply([&](Index position, const T* values) {
          for (Index c = 0; c < shape.c / terms.heads; ++c)
            store(out.row(position)[c], values[c], how);
        });
      });
}

/// Computes dx =, += or −= the gradient of chunk_attention().
template <class T>
void chunk_attention_gradient(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> dy,
                              const ChunkAttentionTerms& terms,
                              const View<const std::uint16_t, Cpu>* buckets, Index bucket_count,
                              Store how) {
  if (how == Store::set) fill(dx, T(0));
  const Shape shape = dy.shape();
  const bool hashed = buckets != nullptr;
  const T sign = how == Store::subtract ? T(-1) : T(1);
  for_each_head<T>(
      dx.device(), shape, terms, buckets, bucket_count, true,
      [&](ChunkAttention<T>& attention, Index image, Index head, const ChunkOrders& orders) {
        const auto rows = [&](auto view, Index p) {
          return head_rows(view, shape, terms.heads, image, head, p);
        };
        const View<const T, Cpu> from = x, slopes = dy;
        attention.set_inputs(rows(from, 0), hashed ? HeadRows<const T>{} : rows(from, 1),
                             rows(from, hashed ? 1 : 2), &orders);
        attention.gradient(rows(slopes, 0), rows(dx, 0), hashed ? HeadRows<T>{} : rows(dx, 1),
                           rows(dx, hashed ? 1 : 2), sign);
      });
}

}  // namespace cpu

/// y =, += or −= softmax(q·kᵀ/√d)·v over the positions of the same chunk and its neighbours, for
/// x = (q, k, v).
template <class T>
void local_attention(View<T, Cpu> y, ConstView<T, Cpu> x, const ChunkAttentionTerms& terms,
                     Store how) {
  cpu::chunk_attention<T>(y, x, terms, nullptr, 0, how);
}
template <class T>
void local_attention_gradient(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> dy,
                              const ChunkAttentionTerms& terms, Store how) {
  cpu::chunk_attention_gradient<T>(dx, x, dy, terms, nullptr, 0, how);
}

/// Writes the bucket of every position, head and round, [N,H,W,heads·rounds], of the queries in the
/// first channels of x. The rotations are those of a seed and a draw.
template <class T>
void lsh_buckets(View<std::uint16_t, Cpu> buckets, View<const T, Cpu> x, Index channels,
                 const ChunkAttentionTerms& terms, math::LshBuckets count, std::uint64_t seed,
                 std::uint64_t draw) {
  Cpu& device = x.device();
  const Index deep = channels / terms.heads,
              wide = cpu::rounded_up(count.columns(), cpu::matrix_columns<T>);
  constexpr Index rows = 48;
  Tensor<T, Cpu> rotations(device, {terms.rounds, 1, deep, wide}, Use::workspace);
  Tensor<T, Cpu> rotated(device, {device.threads(), 1, rows, wide}, Use::workspace);
  fill(rotations.view(), T(0));
  const auto products = static_cast<double>(x.shape().pixels() * channels * terms.rounds * wide);
  device.parallel_uncounted(terms.rounds * deep, {}, [&](Index first, Index last, int) {
    for (Index i = first; i < last; ++i)
      for (Index pair = 0; 2 * pair < count.columns(); ++pair) {
        const auto two = math::rotation_pair(seed, draw, i / deep, i % deep, pair);
        for (Index k = 0; k < 2 && 2 * pair + k < count.columns(); ++k)
          rotations.view().pixel(i)[2 * pair + k] =
              static_cast<T>(two[static_cast<std::size_t>(k)]);
      }
  });
  const Index tiles = (x.shape().pixels() + rows - 1) / rows;
  device.parallel(
      tiles, {products, sweep_work<T>(x.shape(), 1).bytes},
      [&](Index first, Index last, int thread) {
        T* out = rotated.data() + thread * rows * wide;
        for (Index tile = first; tile < last; ++tile) {
          const Index begin = tile * rows, number = std::min(rows, x.shape().pixels() - begin);
          for (Index head = 0; head < terms.heads; ++head)
            for (Index round = 0; round < terms.rounds; ++round) {
              cpu::multiply<T>({deep, x.pixel(begin) + head * deep, x.pitch(), 1,
                                rotations.data() + round * deep * wide, wide, out, wide},
                               number, wide);
              for (Index i = 0; i < number; ++i)
                buckets.pixel(begin + i)[head * terms.rounds + round] =
                    math::lsh_bucket(out + i * wide, count);
            }
        }
      });
}

/// y =, += or −= the attention of Kitaev et al. 2020 for x = (qk, v) by its buckets.
template <class T>
void lsh_attention(View<T, Cpu> y, ConstView<T, Cpu> x, ConstView<std::uint16_t, Cpu> buckets,
                   const ChunkAttentionTerms& terms, Index bucket_count, Store how) {
  const View<const std::uint16_t, Cpu> of = buckets;
  cpu::chunk_attention<T>(y, x, terms, &of, bucket_count, how);
}
template <class T>
void lsh_attention_gradient(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> dy,
                            ConstView<std::uint16_t, Cpu> buckets, const ChunkAttentionTerms& terms,
                            Index bucket_count, Store how) {
  const View<const std::uint16_t, Cpu> of = buckets;
  cpu::chunk_attention_gradient<T>(dx, x, dy, terms, &of, bucket_count, how);
}

}  // namespace retrace::inline RETRACE_ISA
