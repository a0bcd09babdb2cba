// SPDX-License-Identifier: Apache-2.0
//
// A fixture for tests that break the card with a planted defect, and checks of how files end.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "card.hpp"
#include "process.hpp"
#include "tools.hpp"
#include "uapi.hpp"

namespace uapi {

/// ACCEL_IOCTL_CONTEXT_QUERY; throws if it fails, which it never should.
[[nodiscard]] accel_context_query context_of(const File& file);

/// Tests are skipped without QEMU's monitor. After each test the card must work.
class Health : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    /// An attribute of the node's device, without the end of its line.
    [[nodiscard]] std::string attribute(const std::string& name) const;
    void set_attribute(const std::string& name, const std::string& value) const;
    [[nodiscard]] std::string state() const { return attribute("state"); }
    /// Waits for a line with this text in the event log: a waiter may wake before it is written.
    [[nodiscard]] bool logged(const std::string& event) const;
    void plant(const std::string& defect) const;
    /// True if the card may access memory of the host.
    [[nodiscard]] bool bus_master() const;
    /// The errno of open(), or 0.
    [[nodiscard]] int open_error(int flags = 0) const;

    [[nodiscard]] const Card& card() const { return card_; }

  private:
    Card card_;
    /// QEMU with two processors may crash in a reset; see OneProcessor.
    OneProcessor one_;
};

}  // namespace uapi
