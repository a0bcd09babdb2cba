// SPDX-License-Identifier: Apache-2.0
//
// The fixture of tests of the SDK: a card and a driver. At the end of each test nothing may be
// leaked.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "accel/accel.hpp"
#include "device_lookup.hpp"
#include "fake_driver.hpp"

namespace accel::test {

class SdkTest : public ::testing::Test {
  protected:
    explicit SdkTest(const std::vector<fake::CardOptions>& cards = {fake::CardOptions{}})
        : driver(std::make_shared<fake::Driver>(cards)) {}

    void TearDown() override {
        EXPECT_EQ(driver->alive(), 0U) << "files, buffers, queues or mappings were leaked";
    }

    [[nodiscard]] Device open(std::string_view name = "/dev/accel0") {
        return detail::DeviceAccess::make(detail::open_device(driver, name));
    }

    std::shared_ptr<fake::Driver> driver;
};

/// Runs `action`, which must throw an accel::Error, and returns the error.
template <typename Action>
Error error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    ADD_FAILURE() << "no accel::Error was thrown";
    return {std::errc{}, "nothing was thrown"};
}

/// Checks that the message contains all parts.
template <typename... Parts>
void expect_says(const Error& error, const Parts&... parts) {
    for (const std::string_view part : {std::string_view(parts)...}) {
        EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr(std::string(part)));
    }
}

/// An unmapped address.
inline constexpr Address nowhere{0x7000'0000'0000};

/// A semaphore that blocks a queue: jobs behind closed() stay in flight until open().
class Gate {
  public:
    explicit Gate(const Device& device) : semaphore_(device.create_semaphore()) {}
    [[nodiscard]] Command closed() const { return semaphore_.wait(1); }
    void open() { semaphore_.set(1); }

  private:
    Semaphore semaphore_;
};

}  // namespace accel::test
