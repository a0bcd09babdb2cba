// SPDX-License-Identifier: Apache-2.0
//
// A fixture for tests that break the card.
#include "health.hpp"

#include <fcntl.h>

#include <cerrno>

#include "sanity.hpp"

namespace uapi {

namespace {

constexpr const char* default_limit = "30000";

}  // namespace

accel_context_query context_of(const File& file) {
    accel_context_query query{};
    require(file.call(ACCEL_IOCTL_CONTEXT_QUERY, query), "CONTEXT_QUERY");
    return query;
}

void Health::SetUp() {
    if (!Monitor::present()) {
        GTEST_SKIP() << "this machine has no monitor";
    }
}

void Health::TearDown() {
    if (IsSkipped()) {
        return;
    }
    plant("none");
    if (!card_.bound()) {
        card_.bind();
    }
    // A reset by the administrator also ends the count of recoveries in a row.
    card_.reset();
    set_attribute("time_limit_ms", default_limit);
    EXPECT_EQ(state(), "running");
    expect_working_card();
}

std::string Health::attribute(const std::string& name) const {
    std::string text = read_file("/sys/class/accel-card/" + card_.name() + "/" + name);
    if (text.ends_with('\n')) {
        text.pop_back();
    }
    return text;
}

void Health::set_attribute(const std::string& name, const std::string& value) const {
    require(write_file("/sys/class/accel-card/" + card_.name() + "/" + name, value), name);
}

bool Health::logged(const std::string& event) const {
    return accel::test::eventually(
        [&] { return attribute("events").find(event) != std::string::npos; });
}

void Health::plant(const std::string& defect) const {
    Monitor().set(0, "defect", defect);
}

bool Health::bus_master() const {
    return (card_.config().at(4) & 4) != 0;
}

int Health::open_error(int flags) const {
    const Descriptor file(::open(card_.node().c_str(), O_RDWR | O_CLOEXEC | flags));
    return file.get() >= 0 ? 0 : errno;
}

}  // namespace uapi
