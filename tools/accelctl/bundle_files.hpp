// SPDX-License-Identifier: Apache-2.0
//
// The files of /sys, /proc and /dev in a bundle: as many as the tools need to read it with --root,
// and nothing that belongs to users.
#pragma once

#include "bundle_archive.hpp"
#include "root.hpp"

namespace accel::tools {

/// Adds the attributes of all cards and of the ports above them, the driver's version and
/// parameters, and the version of the kernel. Reads no register and no memory of a card.
void add_system_files(const SystemRoot& root, BundleArchive& archive);

/// Adds the lines of the kernel's log about the driver and the cards, as /dev/kmsg. Returns false
/// if the log must not be read.
bool add_kernel_log(const SystemRoot& root, BundleArchive& archive);

}  // namespace accel::tools
