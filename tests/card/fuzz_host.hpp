// SPDX-License-Identifier: Apache-2.0
//
// A host that does its worst, by the byte: what it places in rings, lists and parameters, where it
// rings, what stands in its page tables, what is written to registers. The random tests and the
// fuzzer drive the same.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "fixture/test_host.hpp"

namespace accel::test {

class Hostile {
  public:
    struct Powers {
        bool tables = false;     // it is (or has broken) the driver: page tables are its own
        bool registers = false;  // and so are registers; needs tables
    };

    explicit Hostile(const Powers& powers);

    // Plays one script on a card that was reset before. Empty, or what the card did wrong.
    [[nodiscard]] std::string run(std::span<const std::uint8_t> script);

  private:
    static constexpr std::uint32_t queue_count = 3;
    static constexpr std::uint32_t ring_length = 16;
    static constexpr std::uint32_t innocent = 3;  // the queue next door, in a context of its own

    class Script;

    [[nodiscard]] bool begin();
    void act(Script& script);
    [[nodiscard]] std::uint64_t address(Script& script);
    [[nodiscard]] std::uint64_t size(Script& script);
    [[nodiscard]] accel_command command(Script& script);
    void params(Script& script);
    static void numbers(Script& script, accel_numeric_format& out);
    void images(Script& script, accel_image_layout& src, accel_image_layout& dst,
                accel_conv_window& window);
    void place(Script& script, const accel_command& command);
    void settle();
    [[nodiscard]] accel_status create_queue(std::uint32_t id, std::uint32_t context);
    [[nodiscard]] accel_status queue_command(accel_admin_opcode opcode, std::uint32_t id);
    [[nodiscard]] bool innocent_works();
    [[nodiscard]] std::uint64_t status_page(std::uint32_t queue) const {
        return data_ + (queue * 2 + 1) * page_size;
    }

    Powers powers_;
    TestHost host_;
    std::array<std::array<std::uint64_t, ACCEL_TABLE_LEVELS>, 2> tables_{};  // by context, by level
    std::uint64_t data_ = 0;   // bus address of the hostile context's host pages
    std::uint64_t other_ = 0;  // and of the innocent one's
    std::array<std::uint64_t, queue_count + 1> tail_{};
};

}  // namespace accel::test
