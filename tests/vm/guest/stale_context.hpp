// SPDX-License-Identifier: Apache-2.0
//
// An open file with buffers, a queue and mappings that outlives the card's reset or removal.
#pragma once

#include "uapi.hpp"

namespace uapi {

class StaleContext {
  public:
    static constexpr std::size_t bytes = 2 * page;

    /// Opens the card, creates a buffer of each kind and a queue, and runs a job.
    StaleContext();

    /// Expects that every ioctl and every mmap of the file fails with this errno.
    void expect_every_call(int error);
    /// Expects that host memory keeps its data, and that accesses to device memory and doorbell
    /// raise no signal and reach no card.
    void expect_stale_mappings();

    [[nodiscard]] const File& file() const { return file_; }
    [[nodiscard]] Queue& queue() { return queue_; }
    [[nodiscard]] const Buffer& device_memory() const { return on_card_; }

  private:
    File file_;
    Mapping own_ = Mapping::anonymous(bytes);
    Buffer on_host_{file_, bytes};
    Buffer on_card_{file_, bytes, device};
    Buffer untouched_{file_, bytes, device};
    Registration registered_{file_, own_.data(), bytes};
    Queue queue_{file_};
};

}  // namespace uapi
