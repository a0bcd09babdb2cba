// SPDX-License-Identifier: Apache-2.0
//
// Builds commands, and jobs that compare their results with the reference.
#include "commands.hpp"

#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "reference.hpp"

namespace uapi {

namespace {

// More than 10^12 multiplications, in device memory so that no other part of the host is busy.
constexpr std::uint32_t long_size = 1024;
constexpr std::uint32_t long_count = 1024;

std::atomic_ref<std::uint64_t> word_of(const Buffer& buffer) {
    return std::atomic_ref<std::uint64_t>(buffer.as<std::uint64_t>()[0]);
}

std::uint32_t pattern_word(std::size_t index, std::uint32_t seed) {
    return (static_cast<std::uint32_t>(index) + 1) * 2654435761U ^ seed * 0x9e3779b9U;
}

accel_gemm square(std::uint32_t n) {
    accel_gemm params{};
    params.type = ACCEL_TYPE_F32;
    params.m = params.n = params.k = n;
    params.lda = params.ldb = params.ldd = n;
    return params;
}

}  // namespace

accel_command fill(std::uint64_t dst, std::uint32_t pattern, std::uint64_t bytes) {
    return accel::test::fill(dst, pattern, sizeof pattern, bytes);
}

accel_command gemm(std::uint64_t dst, std::uint64_t a, std::uint64_t b, std::uint64_t params) {
    return accel::test::tensor(ACCEL_OP_GEMM, {.dst = dst, .src0 = a, .src1 = b}, params,
                               sizeof(accel_gemm));
}

void fill_pattern(std::span<std::uint32_t> words, std::uint32_t seed) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] = pattern_word(i, seed);
    }
}

std::size_t first_difference(std::span<const std::uint32_t> words, std::uint32_t seed) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] != pattern_word(i, seed)) {
            return i;
        }
    }
    return words.size();
}

void Semaphore::set(std::uint64_t value) const {
    word_of(buffer_).store(value, std::memory_order_release);
}

std::uint64_t Semaphore::value() const {
    return word_of(buffer_).load(std::memory_order_acquire);
}

void Semaphore::await(std::uint64_t value) const {
    uapi::await("a signal of the card", [&] { return this->value() >= value; });
}

int wait_asleep(Queue& queue, const Semaphore& gate) {
    const std::uint64_t sequence = queue.submit(wait_for(gate.address(), 1));
    int result = -1;
    {
        std::jthread waiter([&] { result = queue.wait(sequence); });
        uapi::await("arming", [&] { return queue.status().arm == sequence; });
        gate.set(1);
    }
    return result;
}

Product::Product(const File& file, std::uint32_t n, std::uint32_t seed, std::uint32_t memory)
    : n_(n), operands_(file, page + 3 * std::size_t{n} * n * sizeof(float), memory) {
    const accel_gemm params = square(n);
    std::memcpy(operands_.data(), &params, sizeof(params));
    const std::span<float> values = operands_.as<float>().subspan(page / sizeof(float));
    std::minstd_rand random(seed + 1);
    for (std::size_t i = 0; i < 2 * std::size_t{n} * n; ++i) {
        // The products need rounding, so that a wrong order of additions changes the result.
        values[i] = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 7.0F;
    }
}

accel_command Product::command() const {
    const std::uint64_t matrix = std::uint64_t{n_} * n_ * sizeof(float);
    const std::uint64_t a = operands_.address() + page;
    return gemm(a + 2 * matrix, a, a + matrix, operands_.address());
}

bool Product::correct() const {
    const std::size_t matrix = std::size_t{n_} * n_;
    const std::span<const float> a =
        operands_.as<const float>().subspan(page / sizeof(float), 3 * matrix);
    const std::span<const float> b = a.subspan(matrix);
    const std::span<const float> d = b.subspan(matrix);
    const std::vector<float> expected =
        accel::reference::dense_gemm(a.first(matrix), b.first(matrix), {}, n_, n_, n_);
    return std::memcmp(d.data(), expected.data(), matrix * sizeof(float)) == 0;
}

void Product::clear() const {
    const std::size_t matrix = std::size_t{n_} * n_ * sizeof(float);
    std::memset(operands_.data() + page + 2 * matrix, 0xff, matrix);
}

LongJob::LongJob(const File& file)
    : started_(file),
      list_(file, long_count * sizeof(accel_command)),
      operands_(file, page + 3 * std::size_t{long_size} * long_size * sizeof(float), device) {
    const accel_gemm params = square(long_size);
    std::memcpy(operands_.data(), &params, sizeof(params));
    const std::uint64_t matrix = std::uint64_t{long_size} * long_size * sizeof(float);
    const std::uint64_t a = operands_.address() + page;
    const std::span<accel_command> list = list_.as<accel_command>();
    list[0] = signal(started_.address(), 1);
    for (std::uint32_t i = 1; i < long_count; ++i) {
        list[i] = gemm(a + 2 * matrix, a, a + matrix, operands_.address());
    }
}

accel_command LongJob::command() const {
    return call(list_.address(), long_count);
}

}  // namespace uapi
