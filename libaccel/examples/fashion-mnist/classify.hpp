// SPDX-License-Identifier: Apache-2.0
//
// The test images through the card, checked against the reference and counted.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace fashion {

struct ClassifyOptions {
    std::filesystem::path data;
    std::filesystem::path model;
    std::filesystem::path reference;  // empty: computed on the spot
    std::string device = "/dev/accel0";
    std::size_t batch = 100;
    std::size_t in_flight = 8;  // in two groups: one is filled while the other is worked on
};

/// Prints what it found. False if the accuracy is too low or anything differs from the reference.
[[nodiscard]] bool classify(const ClassifyOptions& options);

}  // namespace fashion
