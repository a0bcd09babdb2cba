// SPDX-License-Identifier: Apache-2.0
//
// Loading the card into QEMU: each reason for a failure is reported in one line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "card.hpp"

namespace accel::qtest {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::vector<std::string> with_device(const std::string& device) {
    std::vector<std::string> command = {launcher()};
    command.insert(command.end(), std::begin(base_arguments), std::end(base_arguments));
    command.insert(command.end(), {"-device", "pcie-root-port,id=socket", "-device", device});
    return command;
}

// One line, except for the lines that a sanitizer prints about itself.
void expect_one_line(const std::string& text) {
    std::istringstream lines(text);
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
        count += line.starts_with("==") ? 0 : 1;
    }
    EXPECT_EQ(count, 1) << text;
}

struct BadProperty {
    std::string name;
    std::string properties;
    std::string message;
};

void PrintTo(const BadProperty& property, std::ostream* out) {
    *out << property.properties;
}

struct Properties : testing::TestWithParam<BadProperty> {};

TEST_P(Properties, InvalidOnesAreRefusedInOneLine) {
    const Outcome outcome = run(with_device("accel-pci,bus=socket," + GetParam().properties));
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.standard_error, HasSubstr(GetParam().message));
    expect_one_line(outcome.standard_error);
}

INSTANTIATE_TEST_SUITE_P(
    Bad, Properties,
    testing::Values(BadProperty{"MemoryOfThreeMegabytes", "memory-size=3M", "power of two"},
                    BadProperty{"NoMemory", "memory-size=0", "power of two"},
                    BadProperty{"MoreMemoryThanThereIs", "memory-size=4611686018427387904",
                                "memory"},
                    BadProperty{"NoQueues", "queues=0", "queues must be from 1"},
                    BadProperty{"TooManyQueues", "queues=100000", "queues must be from 1"},
                    BadProperty{"NoContexts", "contexts=0", "contexts"},
                    BadProperty{"TooManyVectors", "vectors=3000", "vectors must be from 1"},
                    BadProperty{"UnknownTiming", "timing=slow", "timing must be fast or model"},
                    BadProperty{"UnknownSpeed", "link-speed=7", "link-speed"},
                    BadProperty{"UnknownWidth", "link-width=3", "link-width"},
                    BadProperty{"TooManyThreads", "threads=1025", "at most 1024 threads"},
                    BadProperty{"UnknownPayload", "timing=model,max-payload=100",
                                "the longest payload must be a power of two"}),
    [](const auto& info) { return info.param.name; });

TEST(Loading, TheCardNeedsAnExpressBus) {
    const Outcome outcome = run({launcher(), "-accel", "tcg", "-S", "-nodefaults", "-display",
                                 "none", "-machine", "pc", "-device", "accel-pci"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.standard_error, HasSubstr("pcie-root-port"));
    expect_one_line(outcome.standard_error);
}

// The invalid second device ends QEMU, after the first one was created.
TEST(Loading, OneProcessorWithoutMemoryBarriersCausesAWarning) {
    for (const auto& [processors, properties, warned] :
         {std::tuple{"1", "", true}, {"1,maxcpus=2", "", false}, {"1", ",timing=model", false}}) {
        auto command = with_device(std::string("accel-pci,bus=socket") + properties);
        for (const char* more : {"-smp", processors, "-device", "accel-pci,queues=0"}) {
            command.emplace_back(more);
        }
        const Outcome outcome = run(command);
        EXPECT_EQ(outcome.status, 1);
        EXPECT_EQ(outcome.standard_error.find("maxcpus=2") != std::string::npos, warned)
            << processors << properties << ": " << outcome.standard_error;
    }
}

TEST(Loading, TwoCardsHaveTheirOwnMemoryAndSerialNumber) {
    Machine machine("serial=1", {"-device", "pcie-root-port,id=second,bus=pcie.0,addr=2,chassis=2",
                                 "-device", "accel-pci,bus=second,serial=2"});
    Card first(machine);
    const PciFunction port(machine.qemu, 0, 2);
    const PciFunction second(machine.qemu, 2, 0);
    port.set(PCI_SECONDARY_BUS, 2, 1);
    port.set(PCI_SUBORDINATE_BUS, 2, 1);
    const auto serial = second.extended_capability(PCI_EXT_CAP_ID_DSN);
    ASSERT_TRUE(serial);
    EXPECT_EQ(second.get(*serial + 4, 4), 2U);
    EXPECT_EQ(first.read64(ACCEL_REG_SERIAL), 1U);
}

#ifdef ACCEL_PCI_OBJECTS
// Preloading, which a QEMU with a built-in card does not need.
struct Preloading : testing::Test {
    void SetUp() override {
        if (run({"grep", "-qF", "accel-pci", qemu}).status == 0) {
            GTEST_SKIP() << qemu << " has the card built in";
        }
    }

    const std::string qemu = program();
};

TEST_F(Preloading, AnotherProgramIsRefusedInOneLine) {
    const Outcome outcome = run({"/bin/sh", "-c", "true"}, {"LD_PRELOAD=" ACCEL_PCI_OBJECT});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.standard_error,
                AllOf(HasSubstr("/bin/sh is not a qemu-system program"), HasSubstr("qemu-accel")));
    expect_one_line(outcome.standard_error);
}

TEST_F(Preloading, AnObjectForAnotherVersionIsRefusedInOneLine) {
    const Outcome outcome = run({qemu, "--version"}, {"LD_PRELOAD=" ACCEL_PCI_STALE_OBJECT});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.standard_error,
                AllOf(HasSubstr("built for QEMU"), HasSubstr("0.0-0planted"),
                      HasSubstr("qemu-headers.sh")));
    expect_one_line(outcome.standard_error);
}

TEST_F(Preloading, AnObjectWithAnotherLayoutIsRefusedInOneLine) {
    const Outcome outcome = run({qemu, "-machine", "none", "-display", "none", "-S"},
                                {"LD_PRELOAD=" ACCEL_PCI_MISFIT_OBJECT});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.standard_error,
                AllOf(HasSubstr("pci-device"), HasSubstr("qemu-headers.sh")));
    expect_one_line(outcome.standard_error);
}

TEST_F(Preloading, TheLauncherNamesAMissingObject) {
    const Outcome outcome = run({launcher(), "--version"}, {"ACCEL_PCI_SO=/nowhere/accel-pci.so"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.standard_error, HasSubstr("/nowhere/accel-pci.so"));
    expect_one_line(outcome.standard_error);
}

#endif  // ACCEL_PCI_OBJECTS

TEST(Launcher, NamesAMissingQemu) {
    const Outcome outcome = run({launcher(), "--version"}, {"QEMU=/nowhere/qemu"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_THAT(outcome.standard_error, HasSubstr("/nowhere/qemu"));
    expect_one_line(outcome.standard_error);
}

}  // namespace
}  // namespace accel::qtest
