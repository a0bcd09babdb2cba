// SPDX-License-Identifier: Apache-2.0
//
// The rules of accel_uapi.h that hold for every call, tried on every call: sizes, pointers, which
// bytes are read and which are written.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "health.hpp"
#include "ioctl_calls.hpp"

namespace {

using bench::Argument;
using bench::Call;

class EveryCall : public testing::TestWithParam<Call> {
  protected:
    /// Sets the size field of an argument.
    static void set_size(Argument& argument, std::size_t size) {
        const auto value = static_cast<std::uint32_t>(size);
        std::memcpy(argument.data(), &value, sizeof(value));
    }

    /// Expects that the call fails with this errno and that the argument is as it was.
    void expect_refused(Argument argument, int error, const std::string& what) const {
        const Argument before = argument;
        EXPECT_EQ(callee_.run(GetParam(), argument), error) << what;
        EXPECT_TRUE(argument == before) << what << ": the argument was changed";
    }

    bench::Callee callee_;
};

TEST_P(EveryCall, AcceptsItsStructure) {
    Argument argument = callee_.good_argument(GetParam());
    EXPECT_EQ(argument.size(), GetParam().size);
    EXPECT_EQ(callee_.run(GetParam(), argument), 0);
}

TEST_P(EveryCall, RefusesAShorterStructure) {
    const Argument good = callee_.good_argument(GetParam());
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4},
                                   GetParam().first() / 2, GetParam().first() - 1}) {
        Argument argument = good;
        set_size(argument, size);
        expect_refused(argument, EINVAL, std::to_string(size) + " bytes");
    }
}

TEST_P(EveryCall, AcceptsTheFirstVersionOfItsStructureAndWritesNoMore) {
    for (std::size_t size = GetParam().first(); size < GetParam().size; ++size) {
        Argument argument = callee_.good_argument(GetParam());
        set_size(argument, size);
        std::fill(argument.begin() + static_cast<std::ptrdiff_t>(size), argument.end(),
                  std::byte{0xaa});
        EXPECT_EQ(callee_.run(GetParam(), argument), 0) << size;
        EXPECT_EQ(std::count(argument.begin() + static_cast<std::ptrdiff_t>(size), argument.end(),
                             std::byte{0xaa}),
                  static_cast<std::ptrdiff_t>(argument.size() - size));
    }
}

TEST_P(EveryCall, AcceptsALongerStructureWhoseTailIsZero) {
    for (const std::size_t more : {std::size_t{1}, std::size_t{8}, std::size_t{1000}}) {
        Argument argument = callee_.good_argument(GetParam());
        argument.resize(GetParam().size + more);
        set_size(argument, argument.size());
        EXPECT_EQ(callee_.run(GetParam(), argument), 0) << more;
        EXPECT_EQ(std::count(argument.begin() + static_cast<std::ptrdiff_t>(GetParam().size),
                             argument.end(), std::byte{0}),
                  static_cast<std::ptrdiff_t>(more));
    }
}

TEST_P(EveryCall, RefusesALongerStructureWhoseTailIsNotZero) {
    const Argument good = callee_.good_argument(GetParam());
    constexpr std::size_t more = 100;
    for (const std::size_t place : {std::size_t{0}, more / 2, more - 1}) {
        Argument argument = good;
        argument.resize(GetParam().size + more);
        set_size(argument, argument.size());
        argument[GetParam().size + place] = std::byte{1};
        expect_refused(argument, E2BIG, "byte " + std::to_string(place) + " of the tail");
    }
    Argument huge = good;
    set_size(huge, 0xffffffff);
    expect_refused(huge, E2BIG, "4 GiB");
}

// The last byte of the argument is the last that is mapped: one byte read or written beyond it
// would be an EFAULT.
TEST_P(EveryCall, TouchesNoByteBeyondItsStructure) {
    const bench::Mapping memory = bench::Mapping::anonymous(2 * bench::page);
    ASSERT_EQ(::mprotect(memory.data() + bench::page, bench::page, PROT_NONE), 0);
    const Argument good = callee_.good_argument(GetParam());
    std::byte* place = memory.data() + bench::page - good.size();
    std::ranges::copy(good, place);
    EXPECT_EQ(callee_.file().raw(GetParam().request, place), 0);
    callee_.undo(GetParam(), {place, good.size()});
}

TEST_P(EveryCall, RefusesAnArgumentThatIsNotAllThere) {
    const bench::Mapping memory = bench::Mapping::anonymous(2 * bench::page);
    ASSERT_EQ(::mprotect(memory.data() + bench::page, bench::page, PROT_NONE), 0);
    const Argument good = callee_.good_argument(GetParam());
    // From all but the last byte down to no more than the size.
    for (std::size_t there = good.size() - 1; there >= sizeof(std::uint32_t); there /= 2) {
        std::byte* place = memory.data() + bench::page - there;
        std::memcpy(place, good.data(), there);
        EXPECT_EQ(callee_.file().raw(GetParam().request, place), EFAULT) << there << " bytes";
        EXPECT_EQ(std::memcmp(place, good.data(), there), 0) << there << " bytes";
    }
}

TEST_P(EveryCall, RefusesPointersThatAreNone) {
    for (const std::uintptr_t pointer :
         {std::uintptr_t{0}, std::uintptr_t{1}, std::uintptr_t{0xffffffff81000000},
          std::uintptr_t{0x0000800000000000}, std::uintptr_t{0x8000000000000000},
          ~std::uintptr_t{0}, ~std::uintptr_t{3}}) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): such a pointer is the point.
        EXPECT_EQ(callee_.file().raw(GetParam().request, reinterpret_cast<void*>(pointer)), EFAULT)
            << std::hex << pointer;
    }
}

TEST_P(EveryCall, AcceptsAMisalignedPointer) {
    for (const std::size_t shift : {1, 2, 3, 7}) {
        const Argument good = callee_.good_argument(GetParam());
        Argument shifted(good.size() + shift);
        std::ranges::copy(good, shifted.begin() + static_cast<std::ptrdiff_t>(shift));
        EXPECT_EQ(callee_.file().raw(GetParam().request, shifted.data() + shift), 0);
        callee_.undo(GetParam(), std::span(shifted).subspan(shift));
    }
}

// Where an earlier version of a driver might have had something to say, and where memory of the
// kernel would be seen if it forgot a field: a call that fails leaves every byte as it was.
TEST_P(EveryCall, WritesNothingWhenItFails) {
    const Argument good = callee_.good_argument(GetParam());
    for (const std::byte garbage : {std::byte{0xaa}, std::byte{0xff}}) {
        Argument argument(good.size(), garbage);
        set_size(argument, argument.size());
        const Argument before = argument;
        // Flags that nobody knows, or a handle of nothing, stand second in every structure.
        const int error = callee_.run(GetParam(), argument);
        EXPECT_TRUE(error == EOPNOTSUPP || error == ENOENT || error == EINVAL) << error;
        EXPECT_TRUE(argument == before) << "the argument was changed";
    }
}

// The size stands in memory that another thread writes: it is believed once.
TEST_P(EveryCall, StandsASizeThatChangesMeanwhile) {
    const bench::Mapping memory = bench::Mapping::anonymous(2 * bench::page);
    ASSERT_EQ(::mprotect(memory.data() + bench::page, bench::page, PROT_NONE), 0);
    const std::size_t known = GetParam().size;
    std::byte* place = memory.data() + bench::page - known;
    const Argument good = callee_.good_argument(GetParam());
    std::ranges::copy(good, place);
    std::atomic<bool> stop = false;
    std::jthread other([&] {
        const std::atomic_ref size(*reinterpret_cast<std::uint32_t*>(place));
        for (std::uint32_t i = 0; !stop; ++i) {
            size = i % 2 == 0 ? static_cast<std::uint32_t>(known) : 4096U;
        }
    });
    for (int i = 0; i < 200; ++i) {
        const int error = callee_.file().raw(GetParam().request, place);
        EXPECT_TRUE(error == 0 || error == EFAULT || error == ENOENT) << error;
        if (error == 0) {
            callee_.undo(GetParam(), {place, known});
        }
    }
    stop = true;
}

/// Only the calls that write something back.
class EveryAnswer : public EveryCall {};

// Twice, with different bytes in the fields that the driver writes: nothing of them may survive,
// and nothing else may change.
TEST_P(EveryAnswer, WritesAllOfItsOutFieldsAndNoOther) {
    for (const std::byte garbage : {std::byte{0xaa}, std::byte{0x55}}) {
        Argument before = callee_.good_argument(GetParam());
        for (const bench::Field& field : GetParam().out) {
            std::fill_n(before.begin() + static_cast<std::ptrdiff_t>(field.offset), field.bytes,
                        garbage);
        }
        Argument after = before;
        ASSERT_EQ(callee_.run(GetParam(), after), 0);
        for (const bench::Field& field : GetParam().out) {
            const auto start = after.begin() + static_cast<std::ptrdiff_t>(field.offset);
            EXPECT_NE(std::count(start, start + static_cast<std::ptrdiff_t>(field.bytes), garbage),
                      static_cast<std::ptrdiff_t>(field.bytes))
                << "the field at " << field.offset << " was not written";
            std::fill_n(start, field.bytes, garbage);
        }
        EXPECT_TRUE(after == before) << "a field that is not an out field was written";
    }
}

// A result that cannot be delivered: whatever was made for it is unmade, or the card would run out.
TEST_P(EveryAnswer, LosesNothingWhenTheResultCannotBeWritten) {
    const accel_info before = callee_.file().info();
    const bench::Mapping memory = bench::Mapping::anonymous(bench::page);
    for (std::uint32_t i = 0; i <= before.queues; ++i) {
        memory.protect(PROT_READ | PROT_WRITE);
        std::ranges::copy(callee_.good_argument(GetParam()), memory.data());
        memory.protect(PROT_READ);
        ASSERT_EQ(callee_.file().raw(GetParam().request, memory.data()), EFAULT);
    }
    EXPECT_EQ(callee_.file().info().memory_free, before.memory_free);
    EXPECT_EQ(callee_.file().info().locked, before.locked);
    const bench::Queue queue(callee_.file());
}

std::vector<Call> calls_that_write() {
    std::vector<Call> calls = bench::every_call();
    std::erase_if(calls, [](const Call& call) { return call.out.empty(); });
    return calls;
}

INSTANTIATE_TEST_SUITE_P(Ioctl, EveryCall, testing::ValuesIn(bench::every_call()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Ioctl, EveryAnswer, testing::ValuesIn(calls_that_write()),
                         [](const auto& info) { return info.param.name; });

TEST(Ioctl, SaysEnottyToNumbersItDoesNotKnow) {
    const bench::File file;
    Argument zeros(bench::page);
    for (unsigned int number = 0; number < 256; ++number) {
        const unsigned long request = _IO(ACCEL_IOCTL_MAGIC, number);
        if (std::ranges::none_of(bench::every_call(),
                                 [&](const Call& call) { return call.request == request; })) {
            EXPECT_EQ(file.raw(request, zeros.data()), ENOTTY) << number;
        }
    }
    for (const Call& call : bench::every_call()) {
        EXPECT_EQ(file.raw(call.request ^ 0x100, zeros.data()), ENOTTY) << call;
        // As somebody would write it who has the size in the number: not the same call.
        EXPECT_EQ(
            file.raw(call.request | _IOC(_IOC_READ | _IOC_WRITE, 0, 0, call.size), zeros.data()),
            ENOTTY)
            << call;
    }
}

}  // namespace
