// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of the reference.
#include "reference.hpp"

#include <array>
#include <bit>
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
    constexpr std::array coefficients{1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F,
                                      1.6666665459e-1F, 5.0000001201e-1F};
    float p = 1.9875691500e-4F;
    for (const float coefficient : coefficients) {
        p = std::fma(p, r, coefficient);
    }
    p = std::fma(p, r * r, r) + 1.0F;
    // The scaling is exact in double, so that the conversion is the only rounding.
    return static_cast<float>(std::ldexp(static_cast<double>(p), static_cast<int>(n)));
}

namespace {

// Coefficients from the highest power down, with one fused multiply-add for each.
float horner(float x, const std::vector<float>& c) {
    float p = c[0];
    for (std::size_t i = 1; i < c.size(); ++i) {
        p = std::fma(p, x, c[i]);
    }
    return p;
}

float unit(float x) {
    if (x < 0.0F) {
        return 0.0F;
    }
    return x > 1.0F ? 1.0F : x;
}

}  // namespace

float log(float x) {
    if (std::isnan(x) || x < 0.0F) {
        return std::numeric_limits<float>::quiet_NaN();
    }
    if (x == 0.0F) {
        return -std::numeric_limits<float>::infinity();
    }
    if (std::isinf(x)) {
        return x;
    }
    int e = 0;
    float m = std::frexp(x, &e);
    if (m < 0.707106781f) {
        m = 2.0F * m;
        e = e - 1;
    }
    const float r = m - 1.0F;
    const float z = r * r;
    const auto n = static_cast<float>(e);
    const float p = horner(r, {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f,
                               -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                               2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f});
    float y = p * r * z;
    y = std::fma(n, -2.12194440e-4f, y);
    y = std::fma(z, -0.5f, y);
    return std::fma(n, 0.693359375f, r + y);
}

float tanh(float x) {
    const float a = std::fabs(x);
    if (a < 0.625f) {
        const float z = x * x;
        const float p = horner(z, {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f,
                                   1.33314422036e-1f, -3.33332819422e-1f});
        return std::fma(p * z, x, x);
    }
    return std::copysign(1.0F - 2.0F / (exp(a + a) + 1.0F), x);
}

float erf(float x) {
    const float a = std::fabs(x);
    if (std::isnan(x)) {
        return x;
    }
    if (a < 1.0F) {
        return x *
               horner(x * x, {7.853861353153693e-5f, -8.010193625184903e-4f, 5.188327685732524e-3f,
                              -2.685381193529856e-2f, 1.128358514861418e-1f, -3.761262582423300e-1f,
                              1.128379165726710e+0f});
    }
    const float q = 1.0F / a;
    const float p =
        a < 2.0F
            ? horner(q * q, {2.326819970068386e-2f, -1.387039388740657e-1f, 3.687424674597105e-1f,
                             -5.824733027278666e-1f, 6.210004621745983e-1f, -4.944515323274145e-1f,
                             3.404879937665872e-1f, -2.741127028184656e-1f, 5.638259427386472e-1f})
            : horner(q * q, {-1.047766399936249e+1f, 1.297719955372516e+1f, -7.495518717768503e+0f,
                             2.921019019210786e+0f, -1.015265279202700e+0f, 4.218463358204948e-1f,
                             -2.820767439740514e-1f, 5.641895067754075e-1f});
    return std::copysign(1.0F - exp(-(a * a)) * q * p, x);
}

float activate(float x, unsigned activation, std::uint32_t alpha_bits, std::uint32_t beta_bits) {
    const auto alpha = std::bit_cast<float>(alpha_bits);
    const auto beta = std::bit_cast<float>(beta_bits);
    switch (activation) {
        case ACCEL_UNARY_RELU:
            return x < 0.0F ? 0.0F : x;
        case ACCEL_UNARY_CLIP:
            if (x < alpha) {
                return alpha;
            }
            return x > beta ? beta : x;
        case ACCEL_UNARY_LEAKY_RELU:
            return x < 0.0F ? alpha * x : x;
        case ACCEL_UNARY_HARD_SIGMOID:
            return unit(std::fma(alpha, x, beta));
        case ACCEL_UNARY_HARD_SWISH:
            return x * unit(std::fma(x, 0.16666667f, 0.5f));
        case ACCEL_UNARY_ABS:
            return std::fabs(x);
        case ACCEL_UNARY_NEG:
            return -x;
        case ACCEL_UNARY_SQRT:
            return std::sqrt(x);
        case ACCEL_UNARY_RECIPROCAL:
            return 1.0F / x;
        case ACCEL_UNARY_FLOOR:
            return std::floor(x);
        case ACCEL_UNARY_CEIL:
            return std::ceil(x);
        case ACCEL_UNARY_ROUND:
            return std::nearbyint(x);
        case ACCEL_UNARY_EXP:
            return exp(x);
        case ACCEL_UNARY_LOG:
            return log(x);
        case ACCEL_UNARY_SIGMOID:
            return 1.0F / (1.0F + exp(-x));
        case ACCEL_UNARY_TANH:
            return tanh(x);
        case ACCEL_UNARY_ERF:
            return erf(x);
        case ACCEL_UNARY_GELU:
            return 0.5f * x * (1.0F + erf(x * 0.707106781f));
        case ACCEL_UNARY_ELU:
            return x < 0.0F ? alpha * (exp(x) - 1.0F) : x;
        case ACCEL_UNARY_SIGN:
            if (std::isnan(x)) {
                return x;
            }
            return x > 0.0F ? 1.0F : (x < 0.0F ? -1.0F : 0.0F);
        case ACCEL_UNARY_NOT:
            return x == 0.0F ? 1.0F : 0.0F;
        case ACCEL_UNARY_SOFTPLUS:
            return (0.0F > x ? 0.0F : x) + log(1.0F + exp(-std::fabs(x)));
        default:
            return x;
    }
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
        case ACCEL_EW_IDENTITY:
            return a;
        case ACCEL_EW_PRELU:
            return a < 0.0F ? a * b : a;
        case ACCEL_EW_FMOD:
            return std::fmod(a, b);
        case ACCEL_EW_MOD: {
            const float rest = std::fmod(a, b);
            const bool other_sign = (rest < 0.0F) != (b < 0.0F);
            return rest != 0.0F && other_sign ? rest + b : rest;
        }
        case ACCEL_EW_EQUAL:
            return a == b ? 1.0F : 0.0F;
        case ACCEL_EW_LESS:
            return a < b ? 1.0F : 0.0F;
        case ACCEL_EW_LESS_EQUAL:
            return a <= b ? 1.0F : 0.0F;
        default:
            return b > a ? b : a;
    }
}

void gemm(const accel_gemm& p, const std::vector<float>& a, const std::vector<float>& b,
          const std::vector<float>& bias, std::vector<float>& d) {
    for (std::size_t m = 0; m < p.m; ++m) {
        for (std::size_t n = 0; n < p.n; ++n) {
            float acc = 0.0F;
            for (std::size_t k = 0; k < p.k; ++k) {
                const std::size_t ia =
                    (p.flags & ACCEL_GEMM_TRANSPOSE_A) != 0 ? k * p.lda + m : m * p.lda + k;
                const std::size_t ib =
                    (p.flags & ACCEL_GEMM_TRANSPOSE_B) != 0 ? n * p.ldb + k : k * p.ldb + n;
                acc = std::fma(a[ia], b[ib], acc);
            }
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
};

std::size_t best_index(const Line& line, bool least) {
    std::size_t best = 0;
    for (std::size_t j = 1; j < line.p.n; ++j) {
        if (least ? line[j] < line[best] : line[j] > line[best]) {
            best = j;
        }
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
                    float sum = 0;
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
                                sum = std::fma(value, weights[k * p.dst.channels + o], sum);
                            }
                        }
                    }
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
                    float result = average ? 0.0F : -std::numeric_limits<float>::infinity();
                    std::uint32_t seen = 0;
                    for (std::uint32_t i = 0; i < p.window.height; ++i) {
                        for (std::uint32_t j = 0; j < p.window.width; ++j) {
                            std::uint64_t row = 0;
                            std::uint64_t column = 0;
                            if (!locate_tap(p.window, p.src, y, x, i, j, row, column)) {
                                continue;
                            }
                            const float value = src[element_index(p.src, n, row, column, c)];
                            if (average) {
                                result = result + value;
                            } else {
                                result = seen == 0 ? value : value > result ? value : result;
                            }
                            ++seen;
                        }
                    }
                    const std::uint32_t taps = (p.flags & ACCEL_POOL_COUNT_INCLUDE_PAD) != 0
                                                   ? std::uint32_t{p.window.height} * p.window.width
                                                   : seen;
                    if (average && taps != 0) {
                        result = result / static_cast<float>(taps);
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
        const float m = line[best_index(line, false)];
        float sum = 0.0F;
        for (std::size_t j = 0; j < p.n; ++j) {
            sum = sum + exp(line[j] - m);
        }
        for (std::size_t j = 0; j < p.n; ++j) {
            out[line.index(j)] = exp(line[j] - m) / sum;
        }
    });
    return out;
}

std::vector<float> reduce(const accel_reduce& p, const std::vector<float>& src) {
    std::vector<float> out(std::size_t{p.outer} * p.inner);
    for_each_line(p, src, [&](const Line& line, std::size_t at) {
        if (p.op == ACCEL_REDUCE_SUM || p.op == ACCEL_REDUCE_MEAN) {
            float sum = 0.0F;
            for (std::size_t j = 0; j < p.n; ++j) {
                sum = sum + line[j];
            }
            out[at] = p.op == ACCEL_REDUCE_SUM ? sum : sum / static_cast<float>(p.n);
        } else if (p.op == ACCEL_REDUCE_PRODUCT) {
            float product = 1.0F;
            for (std::size_t j = 0; j < p.n; ++j) {
                product = product * line[j];
            }
            out[at] = product;
        } else {
            out[at] = line[best_index(line, p.op == ACCEL_REDUCE_MIN)];
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
