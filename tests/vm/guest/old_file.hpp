// SPDX-License-Identifier: Apache-2.0
//
// A file with everything in it, which then outlives the card it was opened on.
#pragma once

#include "bench.hpp"

namespace bench {

class OldFile {
  public:
    static constexpr std::size_t bytes = 2 * page;

    /// Opens the card, makes a buffer of each kind and a queue, and runs a job.
    OldFile();

    /// GoogleTest expectations: every ioctl and every mmap of the file ends with this errno.
    void expect_every_call(int error);
    /// GoogleTest expectations: host memory keeps its data, device memory and doorbell can be read
    /// and written without a signal, and nothing of it reaches a card.
    void expect_mappings_go_nowhere();

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

}  // namespace bench
