// SPDX-License-Identifier: Apache-2.0
//
// The reference arithmetic.
#include "reference.hpp"

#include <array>
#include <cmath>
#include <limits>

namespace accel::reference {

float exp(float x) {
    if (std::isnan(x)) {
        return std::numeric_limits<float>::quiet_NaN();
    }
    if (x > 88.72283F) {
        return std::numeric_limits<float>::infinity();
    }
    if (x < -104.0F) {
        return 0.0F;
    }
    const float n = std::rint(x * 1.44269502F);
    const float r = std::fma(n, 2.12194440e-4F, std::fma(n, -0.693359375F, x));
    constexpr std::array kCoefficients{1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F,
                                       1.6666665459e-1F, 5.0000001201e-1F};
    float p = 1.9875691500e-4F;
    for (const float coefficient : kCoefficients) {
        p = std::fma(p, r, coefficient);
    }
    p = std::fma(p, r * r, r) + 1.0F;
    // Exact in double, so that the conversion is the one rounding.
    return static_cast<float>(std::ldexp(static_cast<double>(p), static_cast<int>(n)));
}

float activate(float x, unsigned activation) {
    if (activation == ACCEL_ACT_RELU && x < 0.0F) {
        return 0.0F;
    }
    return x;
}

float elementwise(unsigned op, float a, float b) {
    switch (op) {
        case ACCEL_EW_ADD:
            return a + b;
        case ACCEL_EW_SUB:
            return a - b;
        case ACCEL_EW_MUL:
            return a * b;
        case ACCEL_EW_DIV:
            return a / b;
        case ACCEL_EW_MIN:
            return b < a ? b : a;
        default:
            return b > a ? b : a;
    }
}

void gemm(const accel_gemm& p, const std::vector<float>& a, const std::vector<float>& b,
          const std::vector<float>& bias, std::vector<float>& d) {
    for (size_t m = 0; m < p.m; ++m) {
        for (size_t n = 0; n < p.n; ++n) {
            float acc = 0.0F;
            for (size_t k = 0; k < p.k; ++k) {
                const size_t ia =
                    (p.flags & ACCEL_GEMM_TRANSPOSE_A) != 0 ? k * p.lda + m : m * p.lda + k;
                const size_t ib =
                    (p.flags & ACCEL_GEMM_TRANSPOSE_B) != 0 ? n * p.ldb + k : k * p.ldb + n;
                acc = std::fma(a[ia], b[ib], acc);
            }
            if ((p.flags & ACCEL_GEMM_BIAS) != 0) {
                acc = acc + bias[n];
            }
            d[m * p.ldd + n] = activate(acc, p.activation);
        }
    }
}

void elementwise(const accel_elementwise& p, const std::vector<float>& src0,
                 const std::vector<float>& src1, std::vector<float>& dst) {
    std::array<size_t, ACCEL_RANK_MAX> at{};
    for (;;) {
        size_t d = 0;
        size_t a = 0;
        size_t b = 0;
        for (unsigned i = 0; i < p.rank; ++i) {
            if (p.dims[i] == 0) {
                return;
            }
            d += at[i] * p.dst_strides[i];
            a += at[i] * p.src0_strides[i];
            b += at[i] * p.src1_strides[i];
        }
        dst[d] = activate(elementwise(p.op, src0[a], src1[b]), p.activation);
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
    size_t outer;
    size_t inner;

    [[nodiscard]] size_t index(size_t j) const { return (outer * p.n + j) * p.inner + inner; }
    [[nodiscard]] float operator[](size_t j) const { return src[index(j)]; }
};

size_t best_place(const Line& line, bool least) {
    size_t best = 0;
    for (size_t j = 1; j < line.p.n; ++j) {
        if (least ? line[j] < line[best] : line[j] > line[best]) {
            best = j;
        }
    }
    return best;
}

template <typename Visit>
void for_each_line(const accel_reduce& p, const std::vector<float>& src, Visit&& visit) {
    for (size_t outer = 0; outer < p.outer; ++outer) {
        for (size_t inner = 0; inner < p.inner; ++inner) {
            visit(Line{p, src, outer, inner}, outer * p.inner + inner);
        }
    }
}

}  // namespace

std::vector<float> softmax(const accel_reduce& p, const std::vector<float>& src) {
    std::vector<float> out(src.size());
    for_each_line(p, src, [&](const Line& line, size_t) {
        if (p.n == 0) {
            return;
        }
        const float m = line[best_place(line, false)];
        float sum = 0.0F;
        for (size_t j = 0; j < p.n; ++j) {
            sum = sum + exp(line[j] - m);
        }
        for (size_t j = 0; j < p.n; ++j) {
            out[line.index(j)] = exp(line[j] - m) / sum;
        }
    });
    return out;
}

std::vector<float> reduce(const accel_reduce& p, const std::vector<float>& src) {
    std::vector<float> out(size_t{p.outer} * p.inner);
    for_each_line(p, src, [&](const Line& line, size_t at) {
        if (p.op == ACCEL_REDUCE_SUM) {
            float sum = 0.0F;
            for (size_t j = 0; j < p.n; ++j) {
                sum = sum + line[j];
            }
            out[at] = sum;
        } else {
            out[at] = line[best_place(line, p.op == ACCEL_REDUCE_MIN)];
        }
    });
    return out;
}

std::vector<uint32_t> reduce_place(const accel_reduce& p, const std::vector<float>& src) {
    std::vector<uint32_t> out(size_t{p.outer} * p.inner);
    for_each_line(p, src, [&](const Line& line, size_t at) {
        out[at] = static_cast<uint32_t>(best_place(line, p.op == ACCEL_REDUCE_ARGMIN));
    });
    return out;
}

}  // namespace accel::reference
