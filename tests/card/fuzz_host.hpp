// SPDX-License-Identifier: Apache-2.0
//
// A host that does anything a script of random bytes says: what it writes into rings, lists,
// parameter blocks, page tables and registers, and which doorbells it rings. The random tests and
// the fuzzer both drive it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "fixture/test_host.hpp"
#include "fuzz_script.hpp"

namespace accel::test {

class FuzzHost {
  public:
    // A process controls its rings, lists and buffers; these add the parts of the driver.
    struct Control {
        bool tables = false;     // page tables
        bool registers = false;  // registers and the admin queue; needs tables
    };

    explicit FuzzHost(const Control& control);

    // Resets the card, and plays one script. Empty, or the fault of the card.
    [[nodiscard]] std::string run(std::span<const std::uint8_t> bytes);

  private:
    static constexpr std::uint32_t queue_count = 3;
    static constexpr std::uint32_t ring_length = 16;
    static constexpr std::uint32_t vector_count = 3;
    static constexpr std::uint32_t bystander = queue_count;  // a queue in a context of its own

    [[nodiscard]] bool begin();
    void build_tables(std::uint32_t context);
    void act(FuzzScript& script);
    void write_list(FuzzScript& script);
    void reset_queue(std::uint32_t id);
    void write_table(FuzzScript& script);
    [[nodiscard]] accel_command draw(FuzzScript& script);
    void submit(FuzzScript& script, const accel_command& command);
    void settle();
    [[nodiscard]] accel_status create(std::uint32_t id, std::uint32_t context);
    [[nodiscard]] bool bystander_works();
    [[nodiscard]] std::uint64_t ring(std::uint32_t queue) const {
        return data_ + std::uint64_t{queue} * 2 * page_size;
    }
    [[nodiscard]] std::uint64_t status_page(std::uint32_t queue) const {
        return ring(queue) + page_size;
    }

    Control control_;
    TestHost host_;
    std::array<std::array<std::uint64_t, ACCEL_TABLE_LEVELS>, 2> tables_{};  // by context, by level
    std::uint64_t data_ = 0;            // bus address of the fuzzed context's pages
    std::uint64_t bystander_data_ = 0;  // and of the bystander's
    std::array<std::uint64_t, queue_count + 1> tail_{};
};

}  // namespace accel::test
