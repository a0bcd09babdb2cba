// SPDX-License-Identifier: Apache-2.0
//
// The calls and accesses that remain allowed after the card is reset or removed.
#include "stale_context.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "commands.hpp"

namespace uapi {

StaleContext::StaleContext() {
    std::memset(on_host_.data(), 0x5a, bytes);
    std::memset(own_.data(), 0xa5, bytes);
    std::memset(on_card_.data(), 0x77, bytes);
    queue_.run(copy(on_card_.address(), on_host_.address(), page));
}

void StaleContext::expect_every_call(int error) {
    accel_info info{};
    EXPECT_EQ(file_.call(ACCEL_IOCTL_INFO, info), error);
    for (const std::uint32_t flags : {host, device}) {
        accel_buffer_create create{};
        create.flags = flags;
        create.bytes = page;
        EXPECT_EQ(file_.call(ACCEL_IOCTL_BUFFER_CREATE, create), error);
    }
    EXPECT_EQ(Registration::attempt(file_, own_.data(), page), error);
    accel_buffer_destroy destroy{.size = 0, .handle = on_host_.handle()};
    EXPECT_EQ(file_.call(ACCEL_IOCTL_BUFFER_DESTROY, destroy), error);
    accel_queue_create create{};
    create.entries = 4;
    EXPECT_EQ(file_.call(ACCEL_IOCTL_QUEUE_CREATE, create), error);
    accel_queue_destroy destroy_queue{.size = 0, .handle = queue_.handle()};
    EXPECT_EQ(file_.call(ACCEL_IOCTL_QUEUE_DESTROY, destroy_queue), error);
    accel_queue_query query{};
    query.handle = queue_.handle();
    EXPECT_EQ(file_.call(ACCEL_IOCTL_QUEUE_QUERY, query), error);
    EXPECT_EQ(queue_.reset(), error);
    EXPECT_EQ(queue_.notify(1), error);
    EXPECT_EQ(queue_.wait(queue_.tail() + 1), error);
    // A command that was complete stays complete.
    EXPECT_EQ(queue_.wait(queue_.tail()), 0);

    EXPECT_EQ(Mapping::attempt(file_.fd(), on_host_.address(), bytes), error);
    EXPECT_EQ(Mapping::attempt(file_.fd(), on_card_.address(), bytes), error);
    EXPECT_EQ(Mapping::attempt(file_.fd(), queue_.created().doorbell, page), error);
}

void StaleContext::expect_stale_mappings() {
    EXPECT_EQ(on_host_.as<std::uint8_t>()[0], 0x5a);
    EXPECT_EQ(on_host_.as<std::uint8_t>()[bytes - 1], 0x5a);
    EXPECT_EQ(own_.as<std::uint8_t>()[0], 0xa5);
    EXPECT_EQ(queue_.status().completed, 1U);
    // The first page was accessed while the card was present, the second never.
    for (const Buffer* buffer : {&on_card_, &untouched_}) {
        const std::span<volatile std::uint8_t> memory = buffer->as<volatile std::uint8_t>();
        for (std::size_t i = 0; i < bytes; i += page / 2) {
            EXPECT_NE(memory[i], 0x77);
            memory[i] = 0xee;
        }
    }
    queue_.enqueue(nop());
    for (int i = 0; i < 100; ++i) {
        queue_.ring_doorbell(static_cast<std::uint32_t>(queue_.tail()));
    }
}

}  // namespace uapi
