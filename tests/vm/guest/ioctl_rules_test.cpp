// SPDX-License-Identifier: Apache-2.0
//
// Tests every call for the common rules of accel_uapi.h: sizes, pointers, the bytes that are read
// and the bytes that are written.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "ioctl_calls.hpp"
#include "sanity.hpp"

namespace {

using uapi::Argument;
using uapi::Call;

class EveryCall : public testing::TestWithParam<Call> {
  protected:
    /// Sets the size field of an argument.
    static void set_size(Argument& argument, std::size_t size) {
        const auto value = static_cast<std::uint32_t>(size);
        std::memcpy(argument.data(), &value, sizeof(value));
    }

    /// Expects that the call fails with this errno and does not change the argument.
    void expect_refused(Argument argument, int error, const std::string& what) const {
        const Argument before = argument;
        EXPECT_EQ(callee_.run(GetParam(), argument), error) << what;
        EXPECT_TRUE(argument == before) << what << ": the argument was changed";
    }

    uapi::CallFixture callee_;
};

TEST_P(EveryCall, AcceptsItsStructure) {
    Argument argument = callee_.valid_argument(GetParam());
    EXPECT_EQ(argument.size(), GetParam().size);
    EXPECT_EQ(callee_.run(GetParam(), argument), 0);
}

TEST_P(EveryCall, RefusesAShorterStructure) {
    const Argument good = callee_.valid_argument(GetParam());
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4},
                                   GetParam().first() / 2, GetParam().first() - 1}) {
        Argument argument = good;
        set_size(argument, size);
        expect_refused(argument, EINVAL, std::to_string(size) + " bytes");
    }
}

TEST_P(EveryCall, AcceptsTheFirstVersionOfItsStructureAndWritesOnlyThat) {
    for (std::size_t size = GetParam().first(); size < GetParam().size; ++size) {
        Argument argument = callee_.valid_argument(GetParam());
        set_size(argument, size);
        std::fill(argument.begin() + static_cast<std::ptrdiff_t>(size), argument.end(),
                  std::byte{0xaa});
        EXPECT_EQ(callee_.run(GetParam(), argument), 0) << size;
        EXPECT_EQ(std::count(argument.begin() + static_cast<std::ptrdiff_t>(size), argument.end(),
                             std::byte{0xaa}),
                  static_cast<std::ptrdiff_t>(argument.size() - size));
    }
}

TEST_P(EveryCall, AcceptsALongerStructureThatEndsInZeros) {
    for (const std::size_t more : {std::size_t{1}, std::size_t{8}, std::size_t{1000}}) {
        Argument argument = callee_.valid_argument(GetParam());
        argument.resize(GetParam().size + more);
        set_size(argument, argument.size());
        EXPECT_EQ(callee_.run(GetParam(), argument), 0) << more;
        EXPECT_EQ(std::count(argument.begin() + static_cast<std::ptrdiff_t>(GetParam().size),
                             argument.end(), std::byte{0}),
                  static_cast<std::ptrdiff_t>(more));
    }
}

TEST_P(EveryCall, RefusesALongerStructureThatDoesNotEndInZeros) {
    const Argument good = callee_.valid_argument(GetParam());
    constexpr std::size_t more = 100;
    for (const std::size_t offset : {std::size_t{0}, more / 2, more - 1}) {
        Argument argument = good;
        argument.resize(GetParam().size + more);
        set_size(argument, argument.size());
        argument[GetParam().size + offset] = std::byte{1};
        expect_refused(argument, E2BIG, "byte " + std::to_string(offset) + " of the tail");
    }
    Argument huge = good;
    set_size(huge, 0xffffffff);
    expect_refused(huge, E2BIG, "4 GiB");
}

// The argument ends at the end of a mapping: an access beyond it would be an EFAULT.
TEST_P(EveryCall, AccessesNoByteBeyondItsStructure) {
    const uapi::Mapping memory = uapi::Mapping::anonymous(2 * uapi::page);
    ASSERT_EQ(::mprotect(memory.data() + uapi::page, uapi::page, PROT_NONE), 0);
    const Argument good = callee_.valid_argument(GetParam());
    std::byte* pointer = memory.data() + uapi::page - good.size();
    std::ranges::copy(good, pointer);
    EXPECT_EQ(callee_.file().raw(GetParam().request, pointer), 0);
    callee_.undo(GetParam(), {pointer, good.size()});
}

TEST_P(EveryCall, RefusesAPartlyMappedArgument) {
    const uapi::Mapping memory = uapi::Mapping::anonymous(2 * uapi::page);
    ASSERT_EQ(::mprotect(memory.data() + uapi::page, uapi::page, PROT_NONE), 0);
    const Argument good = callee_.valid_argument(GetParam());
    // From all bytes but the last down to only the size field.
    for (std::size_t there = good.size() - 1; there >= sizeof(std::uint32_t); there /= 2) {
        std::byte* pointer = memory.data() + uapi::page - there;
        std::memcpy(pointer, good.data(), there);
        EXPECT_EQ(callee_.file().raw(GetParam().request, pointer), EFAULT) << there << " bytes";
        EXPECT_EQ(std::memcmp(pointer, good.data(), there), 0) << there << " bytes";
    }
}

TEST_P(EveryCall, RefusesInvalidPointers) {
    for (const std::uintptr_t pointer :
         {std::uintptr_t{0}, std::uintptr_t{1}, std::uintptr_t{0xffffffff81000000},
          std::uintptr_t{0x0000800000000000}, std::uintptr_t{0x8000000000000000},
          ~std::uintptr_t{0}, ~std::uintptr_t{3}}) {
        // NOLINTNEXTLINE(performance-no-int-to-ptr): the test needs an invalid pointer.
        EXPECT_EQ(callee_.file().raw(GetParam().request, reinterpret_cast<void*>(pointer)), EFAULT)
            << std::hex << pointer;
    }
}

TEST_P(EveryCall, AcceptsAMisalignedPointer) {
    for (const std::size_t shift : {1, 2, 3, 7}) {
        const Argument good = callee_.valid_argument(GetParam());
        Argument shifted(good.size() + shift);
        std::ranges::copy(good, shifted.begin() + static_cast<std::ptrdiff_t>(shift));
        EXPECT_EQ(callee_.file().raw(GetParam().request, shifted.data() + shift), 0);
        callee_.undo(GetParam(), std::span(shifted).subspan(shift));
    }
}

// A failed call must not change a byte. This also finds a driver that copies back uninitialized
// memory of the kernel.
TEST_P(EveryCall, WritesNothingWhenItFails) {
    const Argument good = callee_.valid_argument(GetParam());
    for (const std::byte garbage : {std::byte{0xaa}, std::byte{0xff}}) {
        Argument argument(good.size(), garbage);
        set_size(argument, argument.size());
        const Argument before = argument;
        // The second field of every structure has flags or a handle, which are invalid here.
        const int error = callee_.run(GetParam(), argument);
        EXPECT_TRUE(error == EOPNOTSUPP || error == ENOENT || error == EINVAL) << error;
        EXPECT_TRUE(argument == before) << "the argument was changed";
    }
}

// Another thread changes the size: the driver must read it only once.
TEST_P(EveryCall, ToleratesAConcurrentChangeOfItsSize) {
    const uapi::Mapping memory = uapi::Mapping::anonymous(2 * uapi::page);
    ASSERT_EQ(::mprotect(memory.data() + uapi::page, uapi::page, PROT_NONE), 0);
    const std::size_t known = GetParam().size;
    std::byte* pointer = memory.data() + uapi::page - known;
    const Argument good = callee_.valid_argument(GetParam());
    std::ranges::copy(good, pointer);
    std::atomic<bool> stop = false;
    std::jthread other([&] {
        const std::atomic_ref size(*reinterpret_cast<std::uint32_t*>(pointer));
        for (std::uint32_t i = 0; !stop; ++i) {
            size = i % 2 == 0 ? static_cast<std::uint32_t>(known) : 4096U;
        }
    });
    for (int i = 0; i < 200; ++i) {
        const int error = callee_.file().raw(GetParam().request, pointer);
        EXPECT_TRUE(error == 0 || error == EFAULT || error == ENOENT) << error;
        if (error == 0) {
            callee_.undo(GetParam(), {pointer, known});
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
        Argument before = callee_.valid_argument(GetParam());
        for (const uapi::Field& field : GetParam().out) {
            std::fill_n(before.begin() + static_cast<std::ptrdiff_t>(field.offset), field.bytes,
                        garbage);
        }
        Argument after = before;
        ASSERT_EQ(callee_.run(GetParam(), after), 0);
        for (const uapi::Field& field : GetParam().out) {
            const auto start = after.begin() + static_cast<std::ptrdiff_t>(field.offset);
            EXPECT_NE(std::count(start, start + static_cast<std::ptrdiff_t>(field.bytes), garbage),
                      static_cast<std::ptrdiff_t>(field.bytes))
                << "the field at " << field.offset << " was not written";
            std::fill_n(start, field.bytes, garbage);
        }
        EXPECT_TRUE(after == before) << "a field that is not an out field was written";
    }
}

// A call whose result cannot be written must destroy its object, or the card would run out of them.
TEST_P(EveryAnswer, LeaksNothingWhenTheResultCannotBeWritten) {
    const accel_info before = callee_.file().info();
    const uapi::Mapping memory = uapi::Mapping::anonymous(uapi::page);
    for (std::uint32_t i = 0; i <= before.queues; ++i) {
        memory.protect(PROT_READ | PROT_WRITE);
        std::ranges::copy(callee_.valid_argument(GetParam()), memory.data());
        memory.protect(PROT_READ);
        ASSERT_EQ(callee_.file().raw(GetParam().request, memory.data()), EFAULT);
    }
    EXPECT_EQ(callee_.file().info().memory_free, before.memory_free);
    EXPECT_EQ(callee_.file().info().locked, before.locked);
    const uapi::Queue queue(callee_.file());
}

std::vector<Call> calls_that_write() {
    std::vector<Call> calls = uapi::every_call();
    std::erase_if(calls, [](const Call& call) { return call.out.empty(); });
    return calls;
}

INSTANTIATE_TEST_SUITE_P(Ioctl, EveryCall, testing::ValuesIn(uapi::every_call()),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Ioctl, EveryAnswer, testing::ValuesIn(calls_that_write()),
                         [](const auto& info) { return info.param.name; });

TEST(Ioctl, FailsWithEnottyForUnknownNumbers) {
    const uapi::File file;
    Argument zeros(uapi::page);
    for (unsigned int number = 0; number < 256; ++number) {
        const unsigned long request = _IO(ACCEL_IOCTL_MAGIC, number);
        if (std::ranges::none_of(uapi::every_call(),
                                 [&](const Call& call) { return call.request == request; })) {
            EXPECT_EQ(file.raw(request, zeros.data()), ENOTTY) << number;
        }
    }
    for (const Call& call : uapi::every_call()) {
        EXPECT_EQ(file.raw(call.request ^ 0x100, zeros.data()), ENOTTY) << call;
        // A number that encodes the size of the structure is another call.
        EXPECT_EQ(
            file.raw(call.request | _IOC(_IOC_READ | _IOC_WRITE, 0, 0, call.size), zeros.data()),
            ENOTTY)
            << call;
    }
}

}  // namespace
