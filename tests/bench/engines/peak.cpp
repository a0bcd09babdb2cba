// SPDX-License-Identifier: Apache-2.0
//
// Measures the peak rates of one core.
#include "peak.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

namespace accel::bench {

namespace {

using Clock = std::chrono::steady_clock;

// Independent sums: all fit into the registers of AVX-512, and they hide the latency of the
// pipeline.
constexpr int vectors = 24;
using Vector = float __attribute__((vector_size(64)));

[[gnu::target_clones("avx512f", "avx2,fma", "default"), gnu::optimize("fp-contract=fast")]] float
multiply_add(int rounds, float seed) {
    Vector sums[vectors] = {};
    const Vector a = Vector{} + seed;
    const Vector b = Vector{} + 1.0F;
    for (int i = 0; i < rounds; ++i) {
        for (Vector& sum : sums) {
            sum = sum * a + b;
        }
    }
    Vector all = {};
    for (const Vector& sum : sums) {
        all += sum;
    }
    return all[0] + all[15];
}

template <typename Work>
double fastest(double amount, Work work) {
    double best = 0;
    for (int i = 0; i < 30; ++i) {
        const auto start = Clock::now();
        work();
        best = std::max(best, amount / std::chrono::duration<double>(Clock::now() - start).count());
    }
    return best;
}

}  // namespace

double peak_macs() {
    static const double peak = [] {
        constexpr int rounds = 400'000;
        return fastest(double{rounds} * vectors * 16,
                       [] { benchmark::DoNotOptimize(multiply_add(rounds, 0.5F)); });
    }();
    return peak;
}

double peak_bytes() {
    static const double peak = [] {
        constexpr std::size_t bytes = std::size_t{64} << 20;
        const std::vector<char> from(bytes, 1);
        std::vector<char> to(bytes);
        return fastest(2.0 * bytes, [&] {
            std::memcpy(to.data(), from.data(), bytes);
            benchmark::ClobberMemory();
        });
    }();
    return peak;
}

}  // namespace accel::bench
