// SPDX-License-Identifier: Apache-2.0
//
// The fixture of tests that need one context and one queue of the card in QEMU.
#pragma once

#include <gtest/gtest.h>

#include "card.hpp"

namespace accel::qtest {

struct CardTest : testing::Test {
    explicit CardTest(std::uint32_t context_id = 0, std::uint32_t queue_id = 0)
        : context(card, context_id), queue(context, queue_id) {}

    void SetUp() override {
        ASSERT_TRUE(enabled);
        ASSERT_EQ(context.create(), ACCEL_OK);
        ASSERT_EQ(queue.create(), ACCEL_OK);
    }

    Machine machine;
    Card card{machine};
    bool enabled = card.bring_up();
    Context context;
    Queue queue;
};

}  // namespace accel::qtest
