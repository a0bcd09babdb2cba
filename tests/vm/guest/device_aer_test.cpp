// SPDX-License-Identifier: Apache-2.0
//
// Link errors that the kernel's aer_inject module makes the root port report. Only the second card
// has them, because the harness allows no others.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "card.hpp"
#include "commands.hpp"
#include "sanity.hpp"

namespace {

constexpr std::uint32_t completion_timeout = 1U << 14;   // not fatal
constexpr std::uint32_t unsupported_request = 1U << 20;  // not fatal, and nothing is lost
constexpr std::uint32_t malformed_packet = 1U << 18;     // fatal
constexpr std::uint32_t bad_packet = 1U << 6;            // corrected by the link

/// The structure that /dev/aer_inject reads.
struct Error {
    std::uint8_t bus;
    std::uint8_t device;
    std::uint8_t function;
    std::uint32_t uncorrectable;
    std::uint32_t correctable;
    std::uint32_t header[4];
    std::uint32_t domain;
};

class Aer : public testing::Test {
  protected:
    void SetUp() override {
        if (uapi::Card::count() < 2) {
            GTEST_SKIP() << "this machine has one card";
        }
        if (::access("/dev/aer_inject", F_OK) != 0) {
            GTEST_SKIP() << "this kernel cannot inject errors";
        }
    }

    void inject(std::uint32_t uncorrectable, std::uint32_t correctable) const {
        const uapi::Descriptor file(::open("/dev/aer_inject", O_WRONLY | O_CLOEXEC));
        const std::string address = card().address();  // 0000:02:00.0
        const Error error{
            .bus = static_cast<std::uint8_t>(std::stoul(address.substr(5, 2), nullptr, 16)),
            .device = 0,
            .function = 0,
            .uncorrectable = uncorrectable,
            .correctable = correctable,
            .header = {1, 2, 3, 4},
            .domain = 0};
        uapi::require(::write(file.get(), &error, sizeof error) == sizeof error ? 0 : errno,
                      "aer_inject");
    }
    [[nodiscard]] static uapi::Card card() { return uapi::Card(1); }

    void expect_undisturbed(const uapi::File& file) const {
        uapi::Queue queue(file, 4);
        queue.run(uapi::nop());
        EXPECT_EQ(file.info().generation, uapi::File(card().node()).info().generation);
    }

    void expect_recovery(std::uint32_t uncorrectable) const {
        const uapi::File old(card().node());
        const uapi::Buffer memory(old, uapi::page, uapi::device);
        memory.as<std::uint32_t>()[0] = 1;
        uapi::Queue queue(old, 4);
        inject(uncorrectable, 0);
        accel_info info{};
        uapi::await("the end of the old file",
                    [&] { return old.call(ACCEL_IOCTL_INFO, info) == ESTALE; });
        EXPECT_EQ(memory.as<std::uint32_t>()[0], 0U);
        accel_context_query query{};
        EXPECT_EQ(old.call(ACCEL_IOCTL_CONTEXT_QUERY, query), 0);
        EXPECT_EQ(query.reason, static_cast<std::uint32_t>(ACCEL_REASON_LINK_ERROR));
        // A new file works as soon as the card is available again.
        uapi::await("a card that works after the error", [&] {
            try {
                const uapi::File fresh(card().node());
                const uapi::Buffer own(fresh, uapi::page);
                uapi::Queue next(fresh, 4);
                next.run(uapi::fill(own.address(), 7, uapi::page));
                return own.as<std::uint32_t>()[0] == 7;
            } catch (const std::system_error& error) {
                return false;
            }
        });
    }
};

TEST_F(Aer, ANonFatalErrorEndsFilesAndResetsTheCard) {
    expect_recovery(completion_timeout);
}

TEST_F(Aer, AFatalErrorEndsFilesAndResetsTheCard) {
    expect_recovery(malformed_packet);
    expect_recovery(malformed_packet);
}

TEST_F(Aer, ACorrectedErrorDisturbsNoFile) {
    const uapi::File file(card().node());
    inject(0, bad_packet);
    expect_undisturbed(file);
}

TEST_F(Aer, ARefusedRequestDisturbsNoFile) {
    const uapi::File file(card().node());
    const std::string events = "/sys/class/accel-card/" + card().name() + "/events";
    inject(unsupported_request, 0);
    uapi::await("the report of the error", [&] {
        return uapi::read_file(events).find("severity=harmless") != std::string::npos;
    });
    expect_undisturbed(file);
}

}  // namespace
