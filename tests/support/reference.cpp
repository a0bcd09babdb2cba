// SPDX-License-Identifier: Apache-2.0
//
// The commands of the reference.
#include "reference.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace accel::reference {

void gemm(const accel_gemm& p, const std::vector<float>& a, const std::vector<float>& b,
          const std::vector<float>& bias, std::vector<float>& d) {
    for (std::size_t m = 0; m < p.m; ++m) {
        for (std::size_t n = 0; n < p.n; ++n) {
            SumOfProducts sum;
            for (std::size_t k = 0; k < p.k; ++k) {
                const std::size_t ia =
                    (p.flags & ACCEL_GEMM_TRANSPOSE_A) != 0 ? k * p.lda + m : m * p.lda + k;
                const std::size_t ib =
                    (p.flags & ACCEL_GEMM_TRANSPOSE_B) != 0 ? n * p.ldb + k : k * p.ldb + n;
                sum.add(a[ia], b[ib]);
            }
            float acc = sum.value();
            if ((p.flags & ACCEL_GEMM_BIAS) != 0) {
                acc = acc + bias[n];
            }
            d[m * p.ldd + n] = activate(acc, p.activation, p.alpha, p.beta);
        }
    }
}

std::vector<float> dense_gemm(std::span<const float> a, std::span<const float> b,
                              std::span<const float> bias, std::size_t m, std::size_t n,
                              std::size_t k, bool relu) {
    accel_gemm p{};
    p.flags = bias.empty() ? 0 : ACCEL_GEMM_BIAS;
    p.activation = relu ? ACCEL_UNARY_RELU : ACCEL_UNARY_NONE;
    p.m = static_cast<std::uint32_t>(m);
    p.n = p.ldb = p.ldd = static_cast<std::uint32_t>(n);
    p.k = p.lda = static_cast<std::uint32_t>(k);
    std::vector<float> d(std::size_t{m} * n);
    gemm(p, {a.begin(), a.end()}, {b.begin(), b.end()}, {bias.begin(), bias.end()}, d);
    return d;
}

void elementwise(const accel_elementwise& p, const std::vector<float>& src0,
                 const std::vector<float>& src1, std::vector<float>& dst) {
    std::array<std::size_t, ACCEL_RANK_MAX> at{};
    for (;;) {
        std::size_t d = 0;
        std::size_t a = 0;
        std::size_t b = 0;
        for (unsigned i = 0; i < p.rank; ++i) {
            if (p.dims[i] == 0) {
                return;
            }
            d += at[i] * p.dst_strides[i];
            a += at[i] * p.src0_strides[i];
            b += at[i] * p.src1_strides[i];
        }
        dst[d] = activate(elementwise(p.op, src0[a], src1[b]), p.activation, p.alpha, p.beta);
        unsigned i = p.rank;
        while (i > 0 && ++at[i - 1] == p.dims[i - 1]) {
            at[--i] = 0;
        }
        if (i == 0) {
            return;
        }
    }
}

namespace {

// Element j of the axis for one outer and inner index.
struct Line {
    const accel_reduce& p;
    const std::vector<float>& src;
    std::size_t outer;
    std::size_t inner;

    [[nodiscard]] std::size_t index(std::size_t j) const {
        return (outer * p.n + j) * p.inner + inner;
    }
    [[nodiscard]] float operator[](std::size_t j) const { return src[index(j)]; }
    [[nodiscard]] std::vector<float> values() const {
        std::vector<float> all;
        for (std::size_t j = 0; j < p.n; ++j) {
            all.push_back((*this)[j]);
        }
        return all;
    }
};

// The first NaN, or else the first of the best values.
std::size_t best_index(const Line& line, bool least) {
    std::size_t best = 0;
    for (std::size_t j = 0; j < line.p.n; ++j) {
        if (std::isnan(line[j])) {
            return j;
        }
        if (least ? line[j] < line[best] : line[j] > line[best]) {
            best = j;
        }
    }
    return best;
}

float extreme(const Line& line, bool least) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    float best = least ? infinity : -infinity;
    for (std::size_t j = 0; j < line.p.n; ++j) {
        best = least ? minimum(best, line[j]) : maximum(best, line[j]);
    }
    return best;
}

template <typename Visit>
void for_each_line(const accel_reduce& p, const std::vector<float>& src, Visit&& visit) {
    for (std::size_t outer = 0; outer < p.outer; ++outer) {
        for (std::size_t inner = 0; inner < p.inner; ++inner) {
            visit(Line{p, src, outer, inner}, outer * p.inner + inner);
        }
    }
}

}  // namespace

namespace {

std::uint64_t element_index(const accel_image_layout& image, std::uint64_t n, std::uint64_t y,
                            std::uint64_t x, std::uint64_t channel) {
    return n * image.image + y * image.row + x * image.pixel + channel;
}

// The source position of tap (i, j) for result (y, x). False: outside of the image.
bool locate_tap(const accel_conv_window& w, const accel_image_layout& src, std::int64_t y,
                std::int64_t x, std::int64_t i, std::int64_t j, std::uint64_t& row,
                std::uint64_t& column) {
    const std::int64_t at_y = y * w.stride_y + i * w.dilation_y - w.pad_top;
    const std::int64_t at_x = x * w.stride_x + j * w.dilation_x - w.pad_left;
    row = static_cast<std::uint64_t>(at_y);
    column = static_cast<std::uint64_t>(at_x);
    return at_y >= 0 && at_y < src.height && at_x >= 0 && at_x < src.width;
}

}  // namespace

void conv2d(const accel_conv2d& p, const std::vector<float>& src, const std::vector<float>& weights,
            const std::vector<float>& bias, std::vector<float>& dst) {
    const std::uint32_t depth = p.src.channels / p.groups;
    const std::uint32_t columns = p.dst.channels / p.groups;
    for (std::uint32_t n = 0; n < p.batch; ++n) {
        for (std::uint32_t y = 0; y < p.dst.height; ++y) {
            for (std::uint32_t x = 0; x < p.dst.width; ++x) {
                for (std::uint32_t o = 0; o < p.dst.channels; ++o) {
                    SumOfProducts products;
                    std::uint64_t k = 0;
                    for (std::uint32_t i = 0; i < p.window.height; ++i) {
                        for (std::uint32_t j = 0; j < p.window.width; ++j) {
                            for (std::uint32_t c = 0; c < depth; ++c, ++k) {
                                std::uint64_t row = 0;
                                std::uint64_t column = 0;
                                const bool inside =
                                    locate_tap(p.window, p.src, y, x, i, j, row, column);
                                const float value =
                                    inside ? src[element_index(p.src, n, row, column,
                                                               o / columns * depth + c)]
                                           : 0.0F;
                                products.add(value, weights[k * p.dst.channels + o]);
                            }
                        }
                    }
                    float sum = products.value();
                    if ((p.flags & ACCEL_CONV2D_BIAS) != 0) {
                        sum = sum + bias[o];
                    }
                    dst[element_index(p.dst, n, y, x, o)] =
                        activate(sum, p.activation, p.alpha, p.beta);
                }
            }
        }
    }
}

void pool(const accel_pool& p, const std::vector<float>& src, std::vector<float>& dst) {
    for (std::uint32_t n = 0; n < p.batch; ++n) {
        for (std::uint32_t y = 0; y < p.dst.height; ++y) {
            for (std::uint32_t x = 0; x < p.dst.width; ++x) {
                for (std::uint32_t c = 0; c < p.dst.channels; ++c) {
                    const bool average = p.op == ACCEL_POOL_AVERAGE;
                    SumOfProducts sum;
                    float result = -std::numeric_limits<float>::infinity();
                    std::uint32_t seen = 0;
                    for (std::uint32_t i = 0; i < p.window.height; ++i) {
                        for (std::uint32_t j = 0; j < p.window.width; ++j) {
                            std::uint64_t row = 0;
                            std::uint64_t column = 0;
                            if (!locate_tap(p.window, p.src, y, x, i, j, row, column)) {
                                sum.add(0.0F, 1.0F);
                                continue;
                            }
                            const float value = src[element_index(p.src, n, row, column, c)];
                            sum.add(value, 1.0F);
                            result = maximum(result, value);
                            ++seen;
                        }
                    }
                    const std::uint32_t taps = (p.flags & ACCEL_POOL_COUNT_INCLUDE_PAD) != 0
                                                   ? std::uint32_t{p.window.height} * p.window.width
                                                   : seen;
                    if (average) {
                        result = taps == 0 ? 0.0F : sum.value() / static_cast<float>(taps);
                    }
                    dst[element_index(p.dst, n, y, x, c)] = result;
                }
            }
        }
    }
}

std::vector<float> softmax(const accel_reduce& p, const std::vector<float>& src) {
    std::vector<float> out(src.size());
    for_each_line(p, src, [&](const Line& line, std::size_t) {
        if (p.n == 0) {
            return;
        }
        const float m = extreme(line, false);
        std::vector<float> exponentials = line.values();
        for (float& x : exponentials) {
            x = exp(x - m);
        }
        const float total = sum(exponentials);
        for (std::size_t j = 0; j < p.n; ++j) {
            out[line.index(j)] = exponentials[j] / total;
        }
    });
    return out;
}

std::vector<float> reduce(const accel_reduce& p, const std::vector<float>& src) {
    std::vector<float> out(std::size_t{p.outer} * p.inner);
    for_each_line(p, src, [&](const Line& line, std::size_t at) {
        if (p.op == ACCEL_REDUCE_SUM || p.op == ACCEL_REDUCE_MEAN) {
            const float total = sum(line.values());
            out[at] = p.op == ACCEL_REDUCE_SUM ? total : total / static_cast<float>(p.n);
        } else if (p.op == ACCEL_REDUCE_PRODUCT) {
            out[at] = product(line.values());
        } else {
            out[at] = extreme(line, p.op == ACCEL_REDUCE_MIN);
        }
    });
    return out;
}

std::vector<std::uint32_t> reduce_index(const accel_reduce& p, const std::vector<float>& src) {
    std::vector<std::uint32_t> out(std::size_t{p.outer} * p.inner);
    for_each_line(p, src, [&](const Line& line, std::size_t at) {
        out[at] = static_cast<std::uint32_t>(best_index(line, p.op == ACCEL_REDUCE_ARGMIN));
    });
    return out;
}

float updated(unsigned op, float old, float update) {
    const bool nan = std::isnan(old) || std::isnan(update);
    // -0 is less than +0.
    const bool less = update < old || (update == old && std::signbit(update) > std::signbit(old));
    switch (op) {
        case ACCEL_SCATTER_ADD:
            return old + update;
        case ACCEL_SCATTER_MUL:
            return old * update;
        case ACCEL_SCATTER_MIN:
            return nan ? std::numeric_limits<float>::quiet_NaN() : less ? update : old;
        case ACCEL_SCATTER_MAX:
            return nan ? std::numeric_limits<float>::quiet_NaN() : less ? old : update;
        default:
            return update;
    }
}

std::int64_t updated(unsigned op, std::int64_t old, std::int64_t update) {
    const auto a = static_cast<std::uint64_t>(old);
    const auto b = static_cast<std::uint64_t>(update);
    switch (op) {
        case ACCEL_SCATTER_ADD:
            return static_cast<std::int64_t>(a + b);
        case ACCEL_SCATTER_MUL:
            return static_cast<std::int64_t>(a * b);
        case ACCEL_SCATTER_MIN:
            return update < old ? update : old;
        case ACCEL_SCATTER_MAX:
            return update > old ? update : old;
        default:
            return update;
    }
}

}  // namespace accel::reference
