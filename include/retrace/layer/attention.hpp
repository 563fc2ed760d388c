// Exact attention with its projections.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "retrace/core/attention.hpp"
#include "retrace/core/sequence.hpp"
#include "retrace/layer/decoding.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/layer/sequence_mask.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of an Attention stage.
struct AttentionOptions {
  Index heads = 8;
  Index key_heads = 0;     ///< heads/key_heads query heads share keys and values; 0: as heads
  bool causal = true;      ///< no position attends to a later one
  Index window = 0;        ///< unless 0, positions attend to those less than this far away
  bool rotary = true;      ///< turn queries and keys by their position (Su et al. 2021)
  double base = 10000;     ///< of the angles
  double output_gain = 1;  ///< a factor of the first weights of the output projection
};

/// y = Σ over heads of softmax(q·kᵀ/√c)·v·w_o, with q = x·w_q, k = x·w_k, v = x·w_v (Vaswani et al.
/// 2017), in tiles: the matrix of scores never exists (Dao et al. 2022).
///
/// Shapes    x, y [N,1,T,d] for any T, w_q, w_o [d,d], w_k, w_v [d,d·key_heads/heads].
/// Inverse   none.
/// Backward  tiles of softmax are computed again from the logarithm of each row's sum.
/// Stores    between an apply() that keeps and its gradient(): q, k, v, the heads' outputs and the
///           logarithms, 4·d + heads numbers for each position. In chunks, the heads' outputs and
///           the logarithms alone; q, k and v are projected again, for some heads at a time, as in
///           any apply() that does not keep.
template <class T, Device D>
class Attention {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument unless the heads divide the channels, the heads of keys divide
  ///         the heads, and a head to be turned has an even number of channels.
  Attention(D& device, Index channels, Random& random, const AttentionOptions& options = {})
      : options_(checked(channels, options)),
        q_(device, sequence(1, channels, channels), true),
        k_(device, sequence(1, channels, head_channels(channels) * options_.key_heads), true),
        v_(device, k_.value.shape(), true),
        o_(device, q_.value.shape(), true) {
    const double gain = std::sqrt(0.5);  // variance 1/d
    he_normal(q_.value, channels, random, gain);
    he_normal(k_.value, channels, random, gain);
    he_normal(v_.value, channels, random, gain);
    he_normal(o_.value, channels, random, gain * options_.output_gain);
  }

  /// Positions that the mask hides are no keys, in this and every later pass. Attention stages of a
  /// network share one.
  void set_mask(std::shared_ptr<const SequenceMask<D>> mask) { mask_ = std::move(mask); }
  /// Continues sequences from now on, whenever they are active.
  void set_decoding(std::shared_ptr<const Decoding> decoding) { decoding_ = std::move(decoding); }
  const AttentionOptions& options() const { return options_; }

  Index input_channels() const { return q_.value.shape().w; }
  /// @throws ShapeError unless x has d channels.
  Shape output_shape(Shape x) const {
    require_channels("Attention", "x", x, input_channels());
    return x;
  }

  void apply(View<T, D> y, View<const T, D> x, Run run, Store how) {
    require_same_shape("Attention", "y", y.shape(), "x", output_shape(x.shape()));
    const bool decodes =
        decoding_ && decoding_->active() && !run.keep && run.statistics == Statistics::running;
    Values values = decodes ? decode(x, run) : evaluate(x, run);
    matmul(as_matrix(y), as_matrix(std::as_const(values.y).view()), Factor::plain, o_.value.view(),
           Factor::plain, how);
    if (run.keep) values_.emplace(std::move(values));
  }
  /// Keeps what apply() would, without y.
  void keep(View<const T, D> x, Run run) { values_.emplace(evaluate(x, run)); }

  /// @throws StateError unless an apply() has kept what it needs.
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    if (!values_) throw StateError("Attention: gradient() must follow an apply() that keeps");
    Values values = std::move(*values_);
    values_.reset();
    const bool whole = keys_.has_value();
    const Index some = whole ? options_.key_heads : heads_at_once(x);
    for (Index first = 0; first < options_.key_heads; first += some) {
      const Heads at{first, std::min(some, options_.key_heads - first)};
      Keys keys = whole ? std::move(*keys_) : project(x, at, Use::workspace);
      differentiate(x, dy, dx, first > 0 && how == Store::set ? Store::add : how, at, keys, values);
    }
    keys_.reset();
    for (Parameter<T, D>* parameter : {&o_, &v_, &k_, &q_})
      if (parameter->accumulates()) parameter->complete();
  }

  void on_abandon() {
    values_.reset();
    keys_.reset();
    earlier_.reset();
  }
  template <class V>
  void inside(V visit) {
    visit("q", q_);
    visit("k", k_);
    visit("v", v_);
    visit("o", o_);
  }

 private:
  /// Heads [first, first + count) of keys, and the heads of queries that share them.
  struct Heads {
    Index first, count;
  };
  struct Keys {
    State q, k, v;
  };
  struct Values {
    State y, logs;
  };
  struct Earlier {
    State k, v;
  };

  static AttentionOptions checked(Index channels, AttentionOptions options) {
    if (options.key_heads == 0) options.key_heads = options.heads;
    const auto refuse = [](const std::string& what) {
      throw std::invalid_argument("Attention: " + what);
    };
    if (options.heads < 1 || channels % options.heads != 0)
      refuse(std::to_string(options.heads) + " heads do not divide " + std::to_string(channels) +
             " channels");
    if (options.key_heads < 1 || options.heads % options.key_heads != 0)
      refuse(std::to_string(options.key_heads) + " heads of keys do not divide " +
             std::to_string(options.heads) + " heads");
    if (options.window < 0)
      refuse("the window must not be negative, got " + std::to_string(options.window));
    if (options.rotary && channels / options.heads % 2 != 0)
      refuse("rotary positions need heads with an even number of channels, got " +
             std::to_string(channels / options.heads));
    return options;
  }

  Index head_channels(Index channels) const { return channels / options_.heads; }
  Index head_channels() const { return head_channels(input_channels()); }
  Index share() const { return options_.heads / options_.key_heads; }
  /// As few heads of keys as keep the threads busy.
  Index heads_at_once(View<const T, D> x) const {
    const Index images = std::max<Index>(x.shape().n, 1);
    const Index threads = parallelism(x.device());
    return std::clamp<Index>((threads + images - 1) / images, 1, options_.key_heads);
  }

  template <class U>
  View<U, D> heads(View<U, D> x, Heads at) const {
    const Index wide = head_channels() * share();
    return x.channels(at.first * wide, at.count * wide);
  }
  template <class U>
  View<U, D> logs(View<U, D> x, Heads at) const {
    return x.channels(at.first * share(), at.count * share());
  }
  template <class U>
  View<U, D> key_heads(View<U, D> x, Heads at) const {
    return x.channels(at.first * head_channels(), at.count * head_channels());
  }

  AttentionTerms<D> terms(Shape x, Heads at) {
    if (mask_ && !mask_->empty()) mask_view_.emplace(mask_->of(x, run_.chunk));
    return {at.count * share(),
            at.count,
            options_.causal,
            options_.window,
            1 / std::sqrt(static_cast<double>(head_channels())),
            mask_ && !mask_->empty() ? &*mask_view_ : nullptr};
  }

  /// The outputs of the heads; those of keys_ too, if the run keeps a whole batch.
  /// @throws StateError if one pass uses the stage twice: it keeps what one use needs.
  Values evaluate(View<const T, D> x, Run run) {
    if (values_ && run.keep && run.pass != 0 && run.pass == run_.pass)
      throw StateError("Attention: it is used twice in one pass, but keeps what one use needs");
    run_ = run;
    values_.reset();
    keys_.reset();
    const Use use = !run.keep || run.chunk.count > 0 ? Use::workspace : Use::stash;
    Values values{State(x.device(), x.shape(), use),
                  State(x.device(), with_channels(x.shape(), options_.heads), use)};
    const bool whole = run.keep && run.chunk.count == 0;
    const Index some = whole ? options_.key_heads : heads_at_once(x);
    for (Index first = 0; first < options_.key_heads; first += some) {
      const Heads at{first, std::min(some, options_.key_heads - first)};
      Keys keys = project(x, at, whole ? use : Use::workspace);
      attention(heads(values.y.view(), at), logs(values.logs.view(), at),
                std::as_const(keys.q).view(), std::as_const(keys.k).view(),
                std::as_const(keys.v).view(), terms(x.shape(), at));
      if (whole) keys_.emplace(std::move(keys));
    }
    return values;
  }

  /// The same for positions behind those whose keys and values are kept.
  Values decode(View<const T, D> x, Run run) {
    const Shape s = x.shape();
    const Index images = s.n, some = s.h * s.w, first = decoding_->done;
    if (!earlier_ || number_ != decoding_->number) {
      if (first > 0) throw StateError("Attention: it has not seen the positions before");
      const Shape all = sequence(images, decoding_->longest, k_.value.shape().c);
      earlier_.emplace(
          Earlier{State(x.device(), all, Use::stash), State(x.device(), all, Use::stash)});
      number_ = decoding_->number;
    }
    run_ = run;
    first_ = first;
    const Heads all{0, options_.key_heads};
    const Keys keys = project(x, all, Use::workspace);
    first_ = 0;
    Values values{State(x.device(), s, Use::workspace),
                  State(x.device(), with_channels(s, options_.heads), Use::workspace)};
    require_same_shape("Attention", "the kept keys", earlier_->k.shape(), "those of x",
                       sequence(images, decoding_->longest, k_.value.shape().c));
    for (Index n = 0; n < images; ++n) {
      const auto part = [&](State& kept, Index begin, Index count) {
        const View<T, D> one = kept.view().images(n, 1);
        return View<T, D>(one.device(), one.pixel(begin), sequence(1, count, one.shape().c),
                          one.pitch());
      };
      copy(part(earlier_->k, first, some),
           with_shape(keys.k.view().images(n, 1), sequence(1, some, keys.k.shape().c)));
      copy(part(earlier_->v, first, some),
           with_shape(keys.v.view().images(n, 1), sequence(1, some, keys.v.shape().c)));
      attention(values.y.view().images(n, 1), values.logs.view().images(n, 1),
                keys.q.view().images(n, 1), part(earlier_->k, 0, first + some),
                part(earlier_->v, 0, first + some), terms({1, 1, first + some, s.c}, all));
    }
    return values;
  }

  Keys project(View<const T, D> x, Heads at, Use use) const {
    const auto product = [&](View<const T, D> w) {
      State result(x.device(), with_channels(x.shape(), w.shape().c), use);
      matmul(as_matrix(result.view()), as_matrix(x), Factor::plain, w, Factor::plain);
      return result;
    };
    Keys keys{product(heads(q_.value.view(), at)), product(key_heads(k_.value.view(), at)),
              product(key_heads(v_.value.view(), at))};
    if (options_.rotary) {
      rotate_heads(keys.q.view(), at.count * share(), first_, options_.base, false);
      rotate_heads(keys.k.view(), at.count, first_, options_.base, false);
    }
    return keys;
  }

  void differentiate(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how, Heads at,
                     Keys& keys, const Values& values) {
    const View<const T, D> of_heads = heads(values.y.view(), at), matrix_dy = as_matrix(dy),
                           matrix_x = as_matrix(x);
    const View<const T, D> w = o_.value.view();
    const Index wide = head_channels() * share();
    const View<const T, D> rows(w.device(), w.data() + at.first * wide * w.pitch(),
                                sequence(1, at.count * wide, w.shape().c), w.pitch());
    if (o_.accumulates()) {
      const View<T, D> dw = o_.accumulator();
      matmul(View<T, D>(dw.device(), dw.data() + at.first * wide * dw.pitch(), rows.shape(),
                        dw.pitch()),
             as_matrix(of_heads), Factor::transposed, matrix_dy, Factor::plain, Store::add);
    }
    State d_heads(x.device(), of_heads.shape(), Use::gradient);
    matmul(as_matrix(d_heads.view()), matrix_dy, Factor::plain, rows, Factor::transposed);
    State dk(x.device(), keys.k.shape(), Use::gradient),
        dv(x.device(), keys.v.shape(), Use::gradient);
    attention_backward(keys.q.view(), dk.view(), dv.view(), std::as_const(keys.q).view(),
                       std::as_const(keys.k).view(), std::as_const(keys.v).view(), of_heads,
                       logs(values.logs.view(), at), std::as_const(d_heads).view(),
                       terms(x.shape(), at));
    if (options_.rotary) {
      rotate_heads(keys.q.view(), at.count * share(), first_, options_.base, true);
      rotate_heads(dk.view(), at.count, first_, options_.base, true);
    }
    const auto back = [&](Parameter<T, D>& parameter, const State& gradient, View<const T, D> w_of,
                          auto part, Store store) {
      const View<const T, D> g = as_matrix(gradient.view());
      if (parameter.accumulates())
        matmul(part(parameter.accumulator()), matrix_x, Factor::transposed, g, Factor::plain,
               Store::add);
      matmul(as_matrix(dx), g, Factor::plain, w_of, Factor::transposed, store);
    };
    const auto of_q = [&](View<T, D> dw) { return heads(dw, at); };
    const auto of_k = [&](View<T, D> dw) { return key_heads(dw, at); };
    const Store then = how == Store::set ? Store::add : how;
    back(q_, keys.q, heads(q_.value.view(), at), of_q, how);
    back(k_, dk, key_heads(std::as_const(k_.value).view(), at), of_k, then);
    back(v_, dv, key_heads(std::as_const(v_.value).view(), at), of_k, then);
  }

  AttentionOptions options_;
  Parameter<T, D> q_, k_, v_, o_;
  std::shared_ptr<const SequenceMask<D>> mask_;
  std::optional<View<const std::uint8_t, D>> mask_view_;
  Run run_ = training;
  std::shared_ptr<const Decoding> decoding_;
  std::optional<Earlier> earlier_;  ///< of the sequences that are continued
  std::uint64_t number_ = 0;        ///< of these sequences
  Index first_ = 0;                 ///< position of x
  std::optional<Values> values_;
  std::optional<Keys> keys_;
};

}  // namespace retrace::inline RETRACE_ISA
