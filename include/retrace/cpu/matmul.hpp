// Matrix products on the host, on pitched views.
#pragma once

#include <algorithm>
#include <string>

#include "retrace/core/error.hpp"
#include "retrace/core/sequence.hpp"
#include "retrace/cpu/cpu.hpp"
#include "retrace/cpu/matrix_tile.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// A factor: its element (i, k) is data[i·row + k·column].
template <class T>
struct Matrix {
  const T* data;
  Index row, column;

  Matrix(const T* elements, Index pitch, Factor factor)
      : data(elements),
        row(factor == Factor::plain ? pitch : 1),
        column(factor == Factor::plain ? 1 : pitch) {}
};

/// c =, += or −= a·b for one matrix each. Columns of b are packed in panels as wide as a tile, rows
/// of a transposed a in panels as high as one.
template <class T>
struct MatrixProduct {
  static constexpr Index width = matrix_columns<T>;
  /// Products of a sum that are added to c at once, and elements of b that are packed at once.
  static constexpr Index most_depth = 512, packed_elements = 1 << 18;
  /// Elements of a that stay in the cache of a thread.
  static constexpr Index row_elements = 1 << 15;

  Index rows, depth, columns;
  Matrix<T> a, b;
  T* c;
  Index c_row;
  Store how;

  bool packs_rows() const { return a.column != 1; }
  bool has_few_rows() const { return rows <= 4 && b.column == 1; }
  Index block_depth() const { return std::min(depth, most_depth); }
  Index group_columns() const {
    return std::min(
        rounded_up(columns, width),
        std::max(packed_elements / std::max<Index>(block_depth(), 1) / width, Index{1}) * width);
  }
  Index group_rows() const {
    const Index most = row_elements / std::max<Index>(block_depth(), 1);
    return std::clamp<Index>(most / matrix_rows * matrix_rows, matrix_rows,
                             rounded_up(std::max<Index>(rows, 1), matrix_rows));
  }
  Index row_groups() const { return (rows + group_rows() - 1) / group_rows(); }
  /// Elements of workspace for the columns, and for the rows of one thread.
  Index column_workspace() const { return block_depth() * group_columns(); }
  Index row_workspace() const { return packs_rows() ? block_depth() * group_rows() : 0; }

  /// Calls body(first column, columns, first product, products, how) for blocks that fit the
  /// workspace.
  template <class Body>
  void for_each_block(Body body) const {
    for (Index column = 0; column < columns; column += group_columns()) {
      const Index count = std::min(group_columns(), columns - column);
      if (depth == 0) body(column, count, Index{0}, Index{0}, how);
      for (Index k = 0; k < depth; k += most_depth)
        body(column, count, k, std::min(most_depth, depth - k),
             k > 0 && how == Store::set ? Store::add : how);
    }
  }

  /// Packs panels [first, last) of a block.
  void pack_columns(T* packed, Index column, Index count, Index k0, Index products, Index first,
                    Index last) const {
    for (Index panel = first; panel < last; ++panel) {
      T* to = packed + panel * products * width;
      const Index n0 = column + panel * width, n = std::min(width, column + count - n0);
      const T* from = b.data + k0 * b.row + n0 * b.column;
      if (b.column == 1) {
        for (Index k = 0; k < products; ++k) {
          std::copy_n(from + k * b.row, n, to + k * width);
          std::fill(to + k * width + n, to + (k + 1) * width, T(0));
        }
      } else {
        for (Index j = 0; j < width; ++j)
          for (Index k = 0; k < products; ++k)
            to[k * width + j] = j < n ? from[k * b.row + j * b.column] : T(0);
      }
    }
  }

  /// Multiplies row group `group` with a packed block.
  void multiply_rows(const T* packed, T* packed_rows, Index group, Index column, Index count,
                     Index k0, Index products, Store store) const {
    const Index first = group * group_rows(), some = std::min(group_rows(), rows - first);
    const T* from = a.data + first * a.row + k0 * a.column;
    if (packs_rows()) pack_rows(packed_rows, from, some, products);
    for (Index done = 0; done < count; done += width) {
      Product<T> p{products, from, a.row, a.column, packed + done * products,
                   width,    {},   c_row, store};
      p.c = c + first * c_row + column + done;
      if (!packs_rows()) {
        product_panel(p, some, 0, count - done);
        continue;
      }
      p.a_row = 1, p.a_step = matrix_rows;
      for (Index row = 0; row < some; row += matrix_rows, p.c += matrix_rows * c_row) {
        p.a = packed_rows + row * products;
        product_panel(p, std::min<Index>(matrix_rows, some - row), 0, count - done);
      }
    }
  }

 private:
  void pack_rows(T* to, const T* from, Index some, Index products) const {
    for (Index row = 0; row < some; row += matrix_rows, to += products * matrix_rows) {
      const Index n = std::min<Index>(matrix_rows, some - row);
      for (Index k = 0; k < products; ++k)
        for (Index i = 0; i < matrix_rows; ++i)
          to[k * matrix_rows + i] = i < n ? from[k * a.column + (row + i) * a.row] : T(0);
    }
  }
};

/// One product, its rows shared out to the threads.
template <class T>
void multiply_together(Cpu& device, const MatrixProduct<T>& product) {
  const auto work = [&](Index count, Index products) {
    const auto m = static_cast<double>(product.rows), n = static_cast<double>(count),
               k = static_cast<double>(products);
    return Work{m * n * k, sizeof(T) * (m * k + n * k + m * n)};
  };
  if (product.has_few_rows()) {
    device.parallel(product.columns, work(product.columns, product.depth),
                    [&](Index first, Index last, int) {
                      const Product<T> p{product.depth,    product.a.data, product.a.row,
                                         product.a.column, product.b.data, product.b.row,
                                         product.c,        product.c_row,  product.how};
                      product_of_few_rows(p, product.rows, first, last);
                    });
    return;
  }
  Tensor<T, Cpu> packed(device, per_channel(product.column_workspace()), Use::workspace);
  Tensor<T, Cpu> packed_rows(device, {1, 1, device.threads(), product.row_workspace()},
                             Use::workspace);
  product.for_each_block([&](Index column, Index count, Index k, Index products, Store how) {
    device.parallel_uncounted(
        (count + product.width - 1) / product.width,
        {0, 2.0 * sizeof(T) * double(count * products)}, [&](Index first, Index last, int) {
          product.pack_columns(packed.data(), column, count, k, products, first, last);
        });
    device.parallel(
        product.row_groups(), work(count, products), [&](Index first, Index last, int thread) {
          T* rows = packed_rows.data() + thread * product.row_workspace();
          for (Index group = first; group < last; ++group)
            product.multiply_rows(packed.data(), rows, group, column, count, k, products, how);
        });
  });
}

/// Many products, at(image), each computed by one thread.
template <class T, class At>
void multiply_apart(Cpu& device, Index images, At at) {
  const MatrixProduct<T> any = at(0);
  const Index size = any.column_workspace() + any.row_workspace();
  Tensor<T, Cpu> workspace(device, {1, 1, device.threads(), size}, Use::workspace);
  const auto m = static_cast<double>(any.rows), n = static_cast<double>(any.columns),
             k = static_cast<double>(any.depth), all = static_cast<double>(images);
  const Work work{all * m * n * k, all * sizeof(T) * (m * k + n * k + m * n)};
  device.parallel(images, work, [&](Index first, Index last, int thread) {
    T* packed = workspace.data() + thread * size;
    T* packed_rows = packed + any.column_workspace();
    for (Index image = first; image < last; ++image) {
      const MatrixProduct<T> product = at(image);
      product.for_each_block([&](Index column, Index count, Index k0, Index products, Store how) {
        product.pack_columns(packed, column, count, k0, products, 0,
                             (count + product.width - 1) / product.width);
        for (Index group = 0; group < product.row_groups(); ++group)
          product.multiply_rows(packed, packed_rows, group, column, count, k0, products, how);
      });
    }
  });
}

}  // namespace cpu

/// Computes y =, += or −= a·b for every image, whose pixels are the rows of a matrix and whose
/// channels are its columns. A factor may be read transposed, and a factor of one image is that of
/// all images of y. y overlaps neither a nor b.
///
/// The bits depend neither on the number of threads or images, nor on the other rows. If a sum has
/// at most 512 products, they do not depend on `how`; a longer one is added to y in blocks.
/// @throws ShapeError unless the shapes fit.
template <class T>
void matmul(View<T, Cpu> y, ConstView<T, Cpu> a, Factor of_a, ConstView<T, Cpu> b, Factor of_b,
            Store how = Store::set) {
  const auto timed = y.device().timed(Operation::product);
  const Shape ys = y.shape(), as = a.shape(), bs = b.shape();
  const auto rows = [](Shape s, Factor f) { return f == Factor::plain ? s.h * s.w : s.c; };
  const auto columns = [](Shape s, Factor f) { return f == Factor::plain ? s.c : s.h * s.w; };
  if (rows(as, of_a) != ys.h * ys.w || columns(bs, of_b) != ys.c ||
      columns(as, of_a) != rows(bs, of_b) || (as.n != ys.n && as.n != 1) ||
      (bs.n != ys.n && bs.n != 1))
    throw ShapeError("matmul: " + to_string(as) + (of_a == Factor::plain ? "" : ", transposed,") +
                     " times " + to_string(bs) + (of_b == Factor::plain ? "" : ", transposed,") +
                     " is not " + to_string(ys));
  const auto at = [&](Index image) {
    const Index ia = as.n == 1 ? 0 : image, ib = bs.n == 1 ? 0 : image;
    return cpu::MatrixProduct<T>{ys.h * ys.w,
                                 columns(as, of_a),
                                 ys.c,
                                 {a.data() + ia * as.h * as.w * a.pitch(), a.pitch(), of_a},
                                 {b.data() + ib * bs.h * bs.w * b.pitch(), b.pitch(), of_b},
                                 y.data() + image * ys.h * ys.w * y.pitch(),
                                 y.pitch(),
                                 how};
  };
  if (bs.n == 1 && of_a == Factor::plain && as.n == ys.n) {
    auto all = at(0);
    all.rows = ys.pixels();
    if (all.rows > 0) cpu::multiply_together(y.device(), all);
  } else if (ys.n == 1) {
    cpu::multiply_together(y.device(), at(0));
  } else if (ys.n > 0) {
    cpu::multiply_apart<T>(y.device(), ys.n, at);
  }
}

}  // namespace retrace::inline RETRACE_ISA
