// SPDX-License-Identifier: Apache-2.0
//
// The fixture of the tests of commands: a card, a queue, and buffers with values.
#pragma once

#include <vector>

#include "fixture.hpp"

namespace accel::test {

class CommandTest : public SdkTest {
  protected:
    CommandTest() : card(open()), queue(card.create_queue()) {}

    void TearDown() override {
        queue = card.create_queue();  // destroys the old one, and with it what its jobs used
        EXPECT_EQ(driver->buffers(), 0U);
    }

    template <typename T>
    Buffer<T> filled(const std::vector<T>& values) {
        auto buffer = card.allocate<T>({values.size()});
        buffer.copy_from(values);
        return buffer;
    }
    Buffer<float> floats(const std::vector<float>& values) { return filled<float>(values); }
    void run(const Command& command) { queue.submit(command).wait(); }

    Device card;
    Queue queue;
};

// Expects that a command is refused, with these parts in the message.
#define EXPECT_REFUSED(command, ...)                                  \
    do {                                                              \
        const Error error = error_of([&] { Command made(command); }); \
        EXPECT_EQ(error.errc(), std::errc::invalid_argument);         \
        expect_says(error, __VA_ARGS__);                              \
    } while (false)

}  // namespace accel::test
