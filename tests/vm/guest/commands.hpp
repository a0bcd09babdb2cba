// SPDX-License-Identifier: Apache-2.0
//
// Commands as the card reads them, and small jobs with a result that can be checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "bench.hpp"
#include "command_builders.hpp"

namespace bench {

using accel::test::call;
using accel::test::copy;
using accel::test::nop;
using accel::test::signal;
using accel::test::wait_for;
using accel::test::with_record;

/// FILL with a pattern of four bytes.
[[nodiscard]] accel_command fill(std::uint64_t dst, std::uint32_t pattern, std::uint64_t bytes);
[[nodiscard]] accel_command gemm(std::uint64_t dst, std::uint64_t a, std::uint64_t b,
                                 std::uint64_t params);

/// A pattern that differs from word to word and from seed to seed.
void fill_pattern(std::span<std::uint32_t> words, std::uint32_t seed);
/// The index of the first word that is not of the pattern, or the number of words.
[[nodiscard]] std::size_t first_difference(std::span<const std::uint32_t> words,
                                           std::uint32_t seed);

/// A word in memory that card and host share, for WAIT and SIGNAL.
class Semaphore {
  public:
    explicit Semaphore(const File& file) : buffer_(file, page) {}

    [[nodiscard]] std::uint64_t address() const { return buffer_.address(); }
    void set(std::uint64_t value) const;
    [[nodiscard]] std::uint64_t value() const;
    /// Throws if the value does not come.
    void await(std::uint64_t value) const;

  private:
    Buffer buffer_;
};

/// D = A * B with operands from a seed, n x n, in host or device memory.
class Product {
  public:
    Product(const File& file, std::uint32_t n, std::uint32_t seed, std::uint32_t memory = host);

    [[nodiscard]] accel_command command() const;
    /// True if D is, to the bit, what the data sheet says.
    [[nodiscard]] bool correct() const;
    /// Forgets the result.
    void clear() const;

  private:
    std::uint32_t n_;
    Buffer operands_;
};

/// A CALL that keeps a compute engine busy until it is stopped: far more arithmetic than any test
/// waits for. `started` reaches 1 when it runs.
class LongJob {
  public:
    explicit LongJob(const File& file);

    [[nodiscard]] accel_command command() const;
    [[nodiscard]] const Semaphore& started() const { return started_; }

  private:
    Semaphore started_;
    Buffer list_;
    Buffer operands_;
};

}  // namespace bench
