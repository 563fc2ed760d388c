// One pass of a convolution by one primitive, with a few images at a time on every thread.
#pragma once

#include <omp.h>

#include <algorithm>

#include "retrace/core/channel_norm.hpp"
#include "retrace/cpu/normalise.hpp"
#include "retrace/onednn/primitive.hpp"

namespace retrace::inline RETRACE_ISA::onednn {

/// Scope guard that restricts oneDNN, which uses OpenMP threads, to the current thread for creating
/// and running primitives.
class OneThread {
 public:
  OneThread() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(threads_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int threads_;
};

/// Copies images into packed memory and applies the convolution's prologue.
inline void pack(float* to, View<const float, Cpu> from,
                 const NormActivation<float, Cpu>* prologue) {
  const Index channels = from.shape().c;
  if (!prologue) {
    for (Index p = 0; p < from.shape().pixels(); ++p)
      std::copy_n(from.pixel(p), channels, to + p * channels);
    return;
  }
  const float* scale = prologue->norm.scale.data();
  const float* shift = prologue->norm.shift.data();
  const auto slope = static_cast<float>(prologue->activation.slope);
  for (Index p = 0; p < from.shape().pixels(); ++p)
    cpu::for_each_block<float>(channels, [&]<int W>(Index c) {
      using cpu::load;
      const auto u = load<W>(scale + c) * load<W>(from.pixel(p) + c) + load<W>(shift + c);
      cpu::save<W>(to + p * channels + c, math::activate(u, slope));
    });
}

/// Allocates consecutive parts of a block of memory, in floats.
class Parts {
 public:
  Index take(const dnnl::memory::desc& layout) {
    const Index at = size_;
    size_ += (static_cast<Index>(layout.get_size()) / 4 + 15) / 16 * 16;
    return at;
  }
  Index size() const { return size_; }

 private:
  Index size_ = 0;
};

/// A pass over a batch of any size, in chunks of problem.images images. One thread packs a chunk,
/// computes it with a single-threaded primitive, and stores it; an incomplete last chunk is padded
/// with zeros. An image's bits therefore depend neither on the batch nor on the number of threads.
/// Weight gradients are the exception: they are summed per share.
class Plan {
 public:
  using Out = View<float, Cpu>;
  using In = View<const float, Cpu>;
  using Prologue = NormActivation<float, Cpu>;

  Plan(const dnnl::engine& engine, const Problem& problem, Layout layout)
      : engine_(engine), problem_(problem), primitive_(make(engine, problem, layout)) {
    x_ = Side(parts_, plain_activation(problem.x()), primitive_.x);
    y_ = Side(parts_, plain_activation(problem.y()), primitive_.y);
    scratchpad_ = parts_.take(primitive_.scratchpad);
    if (problem.pass == Pass::weight_gradient) {
      chunk_sum_ = parts_.take(primitive_.w);
      sum_ = parts_.take(primitive_.w);
    }
  }

  /// Computes target (set, += or −=) the pass over source: y from x, or dx from dy.
  void run(Out target, In source, In w, const Prologue* prologue, Store how) const {
    Cpu& device = target.device();
    Parts weight_parts;
    const Index weights_at = weight_parts.take(primitive_.w);
    Tensor<float, Cpu> weights(device, {1, 1, 1, weight_parts.size()}, Use::workspace);
    device.parallel(1, {}, [&](Index, Index, int) {
      const OneThread guard;
      convert(dnnl::stream(engine_), plain_weights(problem_.w()), const_cast<float*>(w.data()),
              primitive_.w, weights.data() + weights_at);
    });

    const bool forward = problem_.pass == Pass::forward;
    const Side &from = forward ? x_ : y_, &to = forward ? y_ : x_;
    Tensor<float, Cpu> rows(device, {1, 1, device.threads(), parts_.size()}, Use::workspace);
    const Index batch = source.shape().n;
    device.parallel(chunks(batch), work(batch), [&](Index first, Index last, int thread) {
      const OneThread guard;
      float* row = rows.data() + thread * parts_.size();
      const dnnl::stream stream(engine_);
      for (Index chunk = first; chunk < last; ++chunk) {
        const Index image = chunk * problem_.images;
        const Index images = std::min(problem_.images, batch - image);
        load(stream, from, row, source.images(image, images), prologue);
        compute(stream, row, weights.data() + weights_at);
        store_images(stream, to, row, target.images(image, images), how);
      }
    });
  }

  /// Adds the weight gradient to dw.
  void add_weight_gradient(Out dw, In x, In dy, const Prologue* prologue) const {
    Cpu& device = dw.device();
    Tensor<float, Cpu> rows(device, {1, 1, device.threads(), parts_.size()}, Use::workspace);
    const Index batch = x.shape().n, size = static_cast<Index>(primitive_.w.get_size()) / 4;
    const int shares = device.threads();
    const Work zeros{0, sizeof(float) * static_cast<double>(shares * size)};
    device.parallel_uncounted(shares, zeros, [&](Index first, Index last, int) {
      for (Index share = first; share < last; ++share)
        std::fill_n(rows.data() + share * parts_.size() + sum_, size, 0.0f);
    });
    device.parallel_shares(shares, chunks(batch), work(batch),
                           [&](Index first, Index last, int, Index share) {
                             const OneThread guard;
                             float* row = rows.data() + share * parts_.size();
                             const dnnl::stream stream(engine_);
                             for (Index chunk = first; chunk < last; ++chunk) {
                               const Index image = chunk * problem_.images;
                               const Index images = std::min(problem_.images, batch - image);
                               load(stream, x_, row, x.images(image, images), prologue);
                               load(stream, y_, row, dy.images(image, images), nullptr);
                               compute(stream, row, row + chunk_sum_);
                               for (Index i = 0; i < size; ++i)
                                 row[sum_ + i] += row[chunk_sum_ + i];
                             }
                           });

    Tensor<float, Cpu> total(device, dw.shape(), Use::workspace);
    device.parallel(1, {}, [&](Index, Index, int) {
      const OneThread guard;
      float* sum = rows.data() + sum_;
      for (int share = 1; share < shares; ++share)
        for (Index i = 0; i < size; ++i) sum[i] += rows.data()[share * parts_.size() + sum_ + i];
      convert(dnnl::stream(engine_), primitive_.w, sum, plain_weights(problem_.w()), total.data());
      for (Index i = 0; i < dw.shape().size(); ++i) dw.data()[i] += total.data()[i];
    });
  }

 private:
  /// The places of x or y of a chunk in a thread's memory: packed, and in the primitive's layout.
  struct Side {
    dnnl::memory::desc plain, wanted;
    Index plain_at = 0, wanted_at = 0;

    Side() = default;
    Side(Parts& parts, const dnnl::memory::desc& plain_layout,
         const dnnl::memory::desc& wanted_layout)
        : plain(plain_layout), wanted(wanted_layout), plain_at(parts.take(plain)) {
      wanted_at = plain == wanted ? plain_at : parts.take(wanted);
    }
  };

  static Primitive make(const dnnl::engine& engine, const Problem& problem, Layout layout) {
    const OneThread guard;
    return make_primitive(engine, problem, layout);
  }

  Index chunks(Index batch) const { return (batch + problem_.images - 1) / problem_.images; }
  Work work(Index batch) const {
    Problem whole = problem_;
    whole.images = batch;
    return {whole.multiply_adds(),
            sizeof(float) * static_cast<double>(whole.x().size() + whole.y().size())};
  }

  void convert(const dnnl::stream& stream, const dnnl::memory::desc& from_layout, float* from,
               const dnnl::memory::desc& to_layout, float* to) const {
    dnnl::memory source(from_layout, engine_, from), target(to_layout, engine_, to);
    dnnl::reorder(source, target).execute(const_cast<dnnl::stream&>(stream), source, target);
  }

  void load(const dnnl::stream& stream, const Side& side, float* row, In images,
            const Prologue* prologue) const {
    float* plain = row + side.plain_at;
    pack(plain, images, prologue);
    const Index filled = images.shape().size();
    std::fill(plain + filled, plain + filled / images.shape().n * problem_.images, 0.0f);
    if (side.wanted_at != side.plain_at)
      convert(stream, side.plain, plain, side.wanted, row + side.wanted_at);
  }

  void compute(const dnnl::stream& stream, float* row, float* weights) const {
    const auto memory = [&](const dnnl::memory::desc& layout, float* data) {
      return dnnl::memory(layout, engine_, data);
    };
    execute(primitive_, problem_.pass, stream,
            {memory(primitive_.x, row + x_.wanted_at), memory(primitive_.w, weights),
             memory(primitive_.y, row + y_.wanted_at),
             memory(primitive_.scratchpad, row + scratchpad_)});
  }

  void store_images(const dnnl::stream& stream, const Side& side, float* row, Out images,
                    Store how) const {
    if (side.wanted_at != side.plain_at)
      convert(stream, side.wanted, row + side.wanted_at, side.plain, row + side.plain_at);
    const Index channels = images.shape().c;
    for (Index p = 0; p < images.shape().pixels(); ++p) {
      const float* value = row + side.plain_at + p * channels;
      float* target = images.pixel(p);
      cpu::for_each_block<float>(channels, [&]<int W>(Index c) {
        cpu::store_block<W>(target + c, cpu::load<W>(value + c), how);
      });
    }
  }

  dnnl::engine engine_;
  Problem problem_;
  Primitive primitive_;
  Parts parts_;
  Side x_, y_;
  Index scratchpad_ = 0, chunk_sum_ = 0, sum_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA::onednn
