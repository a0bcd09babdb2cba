// SPDX-License-Identifier: Apache-2.0
//
// A text of what a card does with one program: the bytes of results, and the texts of errors. Two
// cards that keep the contract give the same text.
#pragma once

#include <filesystem>
#include <string>

#include "accel/device.hpp"

namespace accel::test {

/// Runs a few commands of each kind and a model of images of 28 x 28 pixels.
[[nodiscard]] std::string transcript(const Device& card, const std::filesystem::path& model);

}  // namespace accel::test
