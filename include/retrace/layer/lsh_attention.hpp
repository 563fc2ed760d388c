// Attention to positions that hash alike.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "retrace/core/operations.hpp"
#include "retrace/layer/local_attention.hpp"
#include "retrace/math/lsh.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of LshAttention.
struct LshAttentionOptions {
  Index heads = 1;
  Index chunk = 64;   ///< positions in a chunk
  Index rounds = 2;   ///< of hashing
  Index buckets = 0;  ///< 0: two per chunk
  bool causal = true;
  std::uint64_t seed = 0;  ///< another one for each layer
};

/// Attention with shared queries and keys to a set P_i of positions that hash alike in some round.
///
///     h(x) = argmax(x·R, −x·R), R random;  positions are sorted by (h, position) and cut into
///     chunks P_i = {j : in some round, h_j = h_i and j is in the chunk of i or the one before} y_i
///     = Σ_{j ∈ P_i} softmax_j(q_i·q_j/|q_j|)·v_j
///
/// for each head. Causal attention has j < i; otherwise j ≠ i. y_i = v_i if P_i is empty. A pair of
/// several rounds counts once. Rounds are combined by their log-sum-exp. Any number of positions.
///
/// Shapes    x [N,H,W,2C] = (q, v), y [N,H,W,C]; H·W positions of a sequence.
/// Inverse   none.
/// Backward  that of the softmax over P_i, which is constant; through the norm of q_j too.
/// Stores    buckets: 2 bytes per position, head and round. A replay uses them, so it attends to
///           the same pairs although its x may be rounded otherwise.
/// Throws    StateError for a second batch in one pass, or if a replay follows no forward pass.
/// Source    Kitaev, Kaiser, Levskaya 2020, "Reformer", sections 2 and A.
///
/// Each batch of training draws new rotations. Inference always uses the same ones.
template <class T, Device D>
class LshAttention {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument unless heads, chunk and rounds are positive, and buckets even
  /// and
  ///         at most 65,534.
  LshAttention(D& device, const LshAttentionOptions& options)
      : options_(options), buckets_(Buckets::none(device)) {
    detail::require_terms("LshAttention", terms());
    if (options.rounds > 1024)
      throw std::invalid_argument("LshAttention: the hash rounds must be at most 1024, got " +
                                  std::to_string(options.rounds));
    if (options.buckets % 2 != 0 || options.buckets < 0 || options.buckets > math::most_lsh_buckets)
      throw std::invalid_argument("LshAttention: the buckets must be even and at most " +
                                  std::to_string(math::most_lsh_buckets) + ", got " +
                                  std::to_string(options.buckets));
  }
  LshAttention(LshAttention&&) noexcept = default;
  LshAttention& operator=(LshAttention&&) noexcept = default;
  /// Copies the options and the number of the step.
  LshAttention(const LshAttention& other)
      : options_(other.options_),
        step_(other.step_),
        buckets_(Buckets::none(other.buckets_.device())) {}

  /// @throws ShapeError unless the channels are a multiple of 2·heads.
  Shape output_shape(Shape x) const {
    return detail::attention_output("LshAttention", x, 2, options_.heads);
  }

  void apply(View<T, D> y, View<const T, D> x, Run run, Store how) {
    require_same_shape("LshAttention", "y", y.shape(), "the attention of x",
                       output_shape(x.shape()));
    hash(x, run);
    lsh_attention(y, x, buckets_of(x.shape()), terms(), count(x.shape()).count(), how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    if (running_) draw(x, 0);
    lsh_attention_gradient(dx, x, dy, buckets_of(x.shape()), terms(), count(x.shape()).count(),
                           how);
    if (x.device().dry() && !buckets_.data()) buckets_ = Buckets::none(x.device());
  }

  /// Returns the buckets of the last batch, [N,H,W,heads·rounds].
  const Tensor<std::uint16_t, D>& buckets() const { return buckets_; }

  template <class V>
  void inside(V visit) {
    visit("step", step_);
  }

 private:
  using Buckets = Tensor<std::uint16_t, D>;

  ChunkAttentionTerms terms() const {
    return {.heads = options_.heads,
            .chunk = options_.chunk,
            .causal = options_.causal,
            .rounds = options_.rounds};
  }
  math::LshBuckets count(Shape x) const {
    return options_.buckets > 0 ? math::factored(options_.buckets)
                                : math::buckets_for(x.h * x.w, options_.chunk);
  }
  Shape bucket_shape(Shape x) const { return with_channels(x, options_.heads * options_.rounds); }

  /// Hashes a new batch. A replay uses the buckets of the batch that its chunk is from.
  void hash(View<const T, D> x, Run run) {
    first_ = run.chunk.count > 0 && run.statistics != Statistics::running ? run.chunk.first : 0;
    running_ = run.statistics == Statistics::running;
    if (run.statistics == Statistics::recorded) return;
    if (!running_) begin_step(x.device(), run.pass);
    draw(x, running_ ? 0 : step_);
  }

  /// Records the buckets of x by the rotations of that number.
  void draw(View<const T, D> x, std::uint64_t number) {
    D& device = x.device();
    const Shape shape = bucket_shape(x.shape());
    if (buckets_.shape() != shape || (!device.dry() && !buckets_.data())) {
      buckets_ = Buckets::none(device);
      buckets_ = Buckets(device, shape, Use::stash);
    }
    lsh_buckets(buckets_.view(), x, x.shape().c / 2, terms(), count(x.shape()), options_.seed,
                number);
  }

  /// A rehearsal draws nothing, so it uses no step up.
  void begin_step(const D& device, std::uint64_t pass) {
    if (pass != 0 && pass == pass_)
      throw StateError("LshAttention: it is used twice in one pass, but hashes one batch a pass");
    pass_ = pass;
    if (!device.dry()) ++step_;
  }

  View<const std::uint16_t, D> buckets_of(Shape x) const {
    D& device = buckets_.device();
    const Shape shape = bucket_shape(x), held = buckets_.shape();
    if (device.dry() || x.n == 0) return {device, nullptr, shape, shape.c};
    if (held.h != shape.h || held.w != shape.w || held.c != shape.c || held.n < first_ + shape.n ||
        !buckets_.data())
      throw StateError("LshAttention: a replay of " + to_string(x) +
                       " follows no forward pass of that batch");
    return buckets_.view().images(first_, shape.n);
  }

  LshAttentionOptions options_;
  std::uint64_t step_ = 0, pass_ = 0;
  Buckets buckets_;
  Index first_ = 0;       ///< image of the batch
  bool running_ = false;  ///< the last run was inference, which records nothing
};

}  // namespace retrace::inline RETRACE_ISA
