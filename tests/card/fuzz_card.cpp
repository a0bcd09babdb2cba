// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: the first byte says what the host may do, the rest is its script (see hostile.hpp).
#include <cstdio>
#include <cstdlib>
#include <span>

#include "fuzz_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using accel::test::Hostile;
    static Hostile process({});
    static Hostile tables({.tables = true});
    static Hostile driver({.tables = true, .registers = true});
    if (size < 2) {
        return 0;
    }
    Hostile& host = data[0] % 3 == 0 ? process : data[0] % 3 == 1 ? tables : driver;
    const std::string wrong = host.run(std::span(data, size).subspan(1));
    if (!wrong.empty()) {
        (void)std::fprintf(stderr, "%s\n", wrong.c_str());
        std::abort();
    }
    return 0;
}
