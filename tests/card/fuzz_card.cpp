// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: the first byte selects the parts that the host controls, the rest is its script.
#include <cstdio>
#include <cstdlib>
#include <span>

#include "fuzz_host.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using accel::test::FuzzHost;
    static FuzzHost process({});
    static FuzzHost tables({.tables = true});
    static FuzzHost driver({.tables = true, .registers = true});
    if (size < 2) {
        return 0;
    }
    FuzzHost& host = data[0] % 3 == 0 ? process : data[0] % 3 == 1 ? tables : driver;
    const std::string fault = host.run(std::span(data, size).subspan(1));
    if (!fault.empty()) {
        (void)std::fprintf(stderr, "%s\n", fault.c_str());
        std::abort();
    }
    return 0;
}
