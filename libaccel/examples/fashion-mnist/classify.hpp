// SPDX-License-Identifier: Apache-2.0
//
// Classifying the test images on the card, with checks against the reference and counts of the
// cost.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace fashion {

struct ClassifyOptions {
    std::filesystem::path data;
    std::filesystem::path model;
    std::filesystem::path reference;  // logits that train wrote; empty: computed here
    std::string device = "/dev/accel0";
    std::size_t batch = 100;    // images per job
    std::size_t in_flight = 8;  // jobs, in two groups
};

/// Prints the results. Returns false if the accuracy is too low or a result differs from the
/// reference.
[[nodiscard]] bool classify(const ClassifyOptions& options);

}  // namespace fashion
