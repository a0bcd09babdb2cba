// SPDX-License-Identifier: Apache-2.0
//
// Checksums of weights and of compiled models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace accel::compiler {

/// The checksum of a file. It detects damage, and is no protection against an attacker, who can
/// compute it, too.
class Fingerprint {
  public:
    explicit Fingerprint(std::uint64_t bytes) : sum_(0xcbf29ce484222325 ^ bytes) {}

    /// The next bytes. All parts but the last have a multiple of eight bytes.
    void add(std::span<const std::byte> bytes);
    [[nodiscard]] std::uint64_t value() const { return sum_; }

  private:
    std::uint64_t sum_;
};

[[nodiscard]] inline std::uint64_t fingerprint(std::span<const std::byte> bytes) {
    Fingerprint sum(bytes.size());
    sum.add(bytes);
    return sum.value();
}

/// The same for the weights of a model, whose parts come in any order. Bytes of zero change
/// nothing, so gaps between parts count as zeros.
class WeightsFingerprint {
  public:
    /// `offset`: of the part in the weights, a multiple of eight.
    void add(std::uint64_t offset, std::span<const std::byte> bytes);
    [[nodiscard]] std::uint64_t value() const { return sum_; }

  private:
    std::uint64_t sum_ = 0;
};

}  // namespace accel::compiler
