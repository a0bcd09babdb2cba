// SPDX-License-Identifier: Apache-2.0
//
// Prints the transcript of a card: print_transcript CARD MODEL.
#include <cstdio>
#include <exception>

#include "transcript.hpp"

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("print_transcript: give the name of a card and the file of a model\n", stderr);
        return 2;
    }
    try {
        const auto card = accel::Device::open(std::string_view(argv[1]));
        std::fputs(accel::test::transcript(card, argv[2]).c_str(), stdout);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "print_transcript: %s\n", error.what());
        return 1;
    }
}
