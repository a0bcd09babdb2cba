// SPDX-License-Identifier: Apache-2.0
//
// The fixture of commands on tensors of any data type: random values in scattered memory.
#pragma once

#include <cstdint>
#include <vector>

#include "card_fixture.hpp"

namespace accel::test {

class TensorTest : public CardTest {
  protected:
    TensorTest() : CardTest({.device_memory = 256 << 20, .host_memory = 256 << 20}) {}

    template <typename T>
    std::uint64_t upload(const std::vector<T>& values) {
        const std::uint64_t address =
            space.allocate(values.size() * sizeof(T) + 64, Layout::scattered, random.below(64) * 8);
        space.store(address, values);
        return address;
    }
    template <typename T>
    std::vector<T> integers(std::size_t count) {
        std::vector<T> values(count);
        for (T& value : values) {
            value = static_cast<T>(random.bits());
        }
        return values;
    }
    std::uint32_t up_to(std::uint32_t most) {
        return 1 + static_cast<std::uint32_t>(random.below(most));
    }

    template <typename Params>
    void run(accel_opcode opcode, const Operands& operands, const Params& p,
             accel_status expected = ACCEL_OK) {
        if (expected == ACCEL_OK) {
            ASSERT_EQ(queue.run(tensor_command(opcode, operands, p)), ACCEL_OK);
        } else {
            expect_error(expected, tensor_command(opcode, operands, p));
        }
    }

    Random random{7};
};

}  // namespace accel::test
