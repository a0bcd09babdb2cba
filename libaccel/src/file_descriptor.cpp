// SPDX-License-Identifier: Apache-2.0
//
// The public FileDescriptor.
#include "accel/file_descriptor.hpp"

#include <unistd.h>

namespace accel {

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

}  // namespace accel
