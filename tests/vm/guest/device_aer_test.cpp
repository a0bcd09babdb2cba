// SPDX-License-Identifier: Apache-2.0
//
// Errors of the link, as the kernel's aer_inject module makes the root port report them. Only the
// second card has any: the harness lets no other pass.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"

namespace {

constexpr std::uint32_t completion_timeout = 1U << 14;  // not fatal
constexpr std::uint32_t malformed_packet = 1U << 18;    // fatal
constexpr std::uint32_t bad_packet = 1U << 6;           // corrected by the link

/// What /dev/aer_inject reads.
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
        if (bench::Card::count() < 2) {
            GTEST_SKIP() << "this machine has one card";
        }
        if (::access("/dev/aer_inject", F_OK) != 0) {
            GTEST_SKIP() << "this kernel cannot inject errors";
        }
    }

    void inject(std::uint32_t uncorrectable, std::uint32_t correctable) const {
        const bench::Descriptor file(::open("/dev/aer_inject", O_WRONLY | O_CLOEXEC));
        const std::string address = card().address();  // 0000:02:00.0
        const Error error{
            .bus = static_cast<std::uint8_t>(std::stoul(address.substr(5, 2), nullptr, 16)),
            .device = 0,
            .function = 0,
            .uncorrectable = uncorrectable,
            .correctable = correctable,
            .header = {1, 2, 3, 4},
            .domain = 0};
        bench::require(::write(file.get(), &error, sizeof error) == sizeof error ? 0 : errno,
                       "aer_inject");
    }
    [[nodiscard]] static bench::Card card() { return bench::Card(1); }

    void expect_recovery(std::uint32_t uncorrectable) const {
        const bench::File old(card().node());
        const bench::Buffer memory(old, bench::page, bench::device);
        memory.as<std::uint32_t>()[0] = 1;
        bench::Queue queue(old, 4);
        inject(uncorrectable, 0);
        accel_info info{};
        bench::await("the end of the old file",
                     [&] { return old.call(ACCEL_IOCTL_INFO, info) == ESTALE; });
        EXPECT_EQ(memory.as<std::uint32_t>()[0], 0U);
        // A new file works as soon as the card is back.
        bench::await("the card", [&] {
            try {
                const bench::File fresh(card().node());
                const bench::Buffer own(fresh, bench::page);
                bench::Queue next(fresh, 4);
                next.run(bench::fill(own.address(), 7, bench::page));
                return own.as<std::uint32_t>()[0] == 7;
            } catch (const std::system_error& error) {
                return false;
            }
        });
    }
};

TEST_F(Aer, AnErrorThatIsNotFatalEndsFilesAndStartsTheCardAfresh) {
    expect_recovery(completion_timeout);
}

TEST_F(Aer, AFatalErrorEndsFilesAndStartsTheCardAfresh) {
    expect_recovery(malformed_packet);
    expect_recovery(malformed_packet);
}

TEST_F(Aer, WhatTheLinkCorrectedIsNobodysBusiness) {
    const bench::File file(card().node());
    inject(0, bad_packet);
    bench::Queue queue(file, 4);
    queue.run(bench::nop());
    EXPECT_EQ(file.info().generation, bench::File(card().node()).info().generation);
}

}  // namespace
