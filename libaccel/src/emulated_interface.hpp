// SPDX-License-Identifier: Apache-2.0
//
// The functions that libaccel_emulated exports to libaccel. Both pass C++ objects, so they must be
// of one build: libaccel compares the versions before it calls anything else.
#pragma once

#include <memory>
#include <string>

#include "kernel.hpp"

namespace accel::detail {

/// Exported as emulated_version_symbol: the version of libaccel that it was built with.
using EmulatedVersion = const char*();
inline constexpr const char* emulated_version_symbol = "accel_emulated_version";

/// Exported as emulated_open_symbol: the machine of a name "emulated[:option=value,...]". On
/// success it returns zero, and the path of the card that the name selects in `text`. Otherwise it
/// returns an errno, and a sentence in `text`.
using EmulatedOpen = int(const std::string& name, std::shared_ptr<Kernel>& machine,
                         std::string& text) noexcept;
inline constexpr const char* emulated_open_symbol = "accel_emulated_open";

inline constexpr const char* emulated_library = "libaccel_emulated.so.0";

/// The version of the project, and a digest of the interface between the libraries.
inline constexpr const char* interface_version = ACCEL_INTERFACE_VERSION;

}  // namespace accel::detail
