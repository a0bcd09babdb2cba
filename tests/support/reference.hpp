// SPDX-License-Identifier: Apache-2.0
//
// The reference: section 6 of the data sheet as plain scalar loops, with one rounding where the
// data sheet has one. The card must give the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "accel_hw.h"

namespace accel::reference {

[[nodiscard]] float exp(float x);
[[nodiscard]] float log(float x);
[[nodiscard]] float tanh(float x);
[[nodiscard]] float erf(float x);
// alpha and beta are the bits of the parameter block.
[[nodiscard]] float activate(float x, unsigned activation, std::uint32_t alpha = 0,
                             std::uint32_t beta = 0);
[[nodiscard]] float elementwise(unsigned op, float a, float b);
[[nodiscard]] float maximum(float a, float b);
[[nodiscard]] float minimum(float a, float b);

// The sum and the product of REDUCE.
[[nodiscard]] float sum(const std::vector<float>& x);
[[nodiscard]] float product(const std::vector<float>& x);
// The sum of GEMM, CONV2D, POOL and RESIZE.
class SumOfProducts {
  public:
    void add(float a, float b);
    [[nodiscard]] float value() const;

  private:
    std::uint64_t count_ = 0;
    std::vector<float> blocks_;
};

// The operands are images of memory with the strides of the block; only elements of the result
// change.
void gemm(const accel_gemm& p, const std::vector<float>& a, const std::vector<float>& b,
          const std::vector<float>& bias, std::vector<float>& d);
// d = a * b, then + bias unless that is empty, then ReLU if asked for; dense row-major matrices.
[[nodiscard]] std::vector<float> dense_gemm(std::span<const float> a, std::span<const float> b,
                                            std::span<const float> bias, std::size_t m,
                                            std::size_t n, std::size_t k, bool relu = false);
void elementwise(const accel_elementwise& p, const std::vector<float>& src0,
                 const std::vector<float>& src1, std::vector<float>& dst);
// The same for images, with weights in the layout of accel_conv2d.
void conv2d(const accel_conv2d& p, const std::vector<float>& src, const std::vector<float>& weights,
            const std::vector<float>& bias, std::vector<float>& dst);
void pool(const accel_pool& p, const std::vector<float>& src, std::vector<float>& dst);
[[nodiscard]] std::vector<float> softmax(const accel_reduce& p, const std::vector<float>& src);
[[nodiscard]] std::vector<float> reduce(const accel_reduce& p, const std::vector<float>& src);
[[nodiscard]] std::vector<std::uint32_t> reduce_index(const accel_reduce& p,
                                                      const std::vector<float>& src);

// Operands of ATTENTION as f32, with the strides of the block. A mask of booleans has zeros and ones;
// operands that the block does not have are empty.
struct AttentionOperands {
    std::vector<float> q;
    std::vector<float> k;
    std::vector<float> v;
    std::vector<float> mask;
    std::vector<std::int64_t> lengths;
    std::vector<std::int64_t> positions;
};
// d has f32 results, before they are rounded to dst_type.
void attention(const accel_attention& p, const AttentionOperands& from, std::vector<float>& d);

// An update of SCATTER.
[[nodiscard]] float updated(unsigned op, float old, float update);
// Integers of any size, modulo 2^64.
[[nodiscard]] std::int64_t updated(unsigned op, std::int64_t old, std::int64_t update);
// The indices are in range.
template <typename T>
void scatter(const accel_scatter& p, std::vector<T>& dst, const std::vector<std::int64_t>& indices,
             const std::vector<T>& src) {
    using Number = std::conditional_t<std::is_floating_point_v<T>, float, std::int64_t>;
    for (std::size_t i = 0; i < src.size(); ++i) {
        const std::size_t row = i / p.inner;
        const std::int64_t index =
            indices[(p.flags & ACCEL_SCATTER_ELEMENTS) != 0 ? i : row % p.count];
        const auto at = static_cast<std::size_t>(index < 0 ? index + p.n : index);
        T& element = dst[(row / p.count * p.n + at) * p.inner + i % p.inner];
        element = static_cast<T>(
            updated(p.op, static_cast<Number>(element), static_cast<Number>(src[i])));
    }
}

}  // namespace accel::reference
