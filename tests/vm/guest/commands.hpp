// SPDX-License-Identifier: Apache-2.0
//
// Builders of commands, and small jobs whose result can be checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "command_builders.hpp"
#include "uapi.hpp"

namespace uapi {

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
/// The index of the first word that differs from the pattern, or the number of words.
[[nodiscard]] std::size_t first_difference(std::span<const std::uint32_t> words,
                                           std::uint32_t seed);

/// A word of memory for WAIT and SIGNAL, which card and host both access.
class Semaphore {
  public:
    explicit Semaphore(const File& file) : buffer_(file, page) {}

    [[nodiscard]] std::uint64_t address() const { return buffer_.address(); }
    void set(std::uint64_t value) const;
    [[nodiscard]] std::uint64_t value() const;
    /// Waits until it has at least this value; throws after `time_limit`.
    void await(std::uint64_t value) const;

  private:
    Buffer buffer_;
};

/// Submits a WAIT for the gate, and opens the gate when a thread sleeps for the command. Returns
/// the result of that thread's wait.
[[nodiscard]] int wait_asleep(Queue& queue, const Semaphore& gate);

/// D = A * B for n x n matrices in host or device memory; the seed determines the operands.
class Product {
  public:
    Product(const File& file, std::uint32_t n, std::uint32_t seed, std::uint32_t memory = host);

    [[nodiscard]] accel_command command() const;
    /// True if D has exactly the bits that the data sheet requires.
    [[nodiscard]] bool correct() const;
    /// Overwrites the result.
    void clear() const;

  private:
    std::uint32_t n_;
    Buffer operands_;
};

/// A CALL that keeps a compute engine busy until it is stopped: it takes longer than any test
/// waits. It sets `started` to 1 when it runs.
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

}  // namespace uapi
