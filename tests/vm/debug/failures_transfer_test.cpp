// SPDX-License-Identifier: Apache-2.0
//
// Failures in read() and write(), by system call and in io_uring.
#include <liburing.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "failures.hpp"
#include "io_uring.hpp"
#include "transfer.hpp"

namespace {

using uapi::Operation;
using uapi::page;

constexpr std::size_t mib = 1 << 20;
constexpr std::size_t checked_bytes = 8192;

/// The memory of a transfer on both sides.
struct Shape {
    std::uint32_t flags = uapi::device;  // of the buffer
    std::size_t bytes = 64 << 10;
    std::size_t offset = 0;  // in the memory of the process
    bool touched = true;
    bool write = false;
};

class Transfer : public Operation {
  public:
    explicit Transfer(const Shape& shape) : shape_(shape), buffer_(file_, 4 * mib, shape.flags) {}

    void prepare() override {
        memory_ = uapi::Mapping::anonymous(shape_.bytes + shape_.offset);
        if (shape_.touched) {
            std::memset(memory_.data(), 3, memory_.size());
        }
    }
    int attempt() override {
        const auto at = static_cast<off_t>(buffer_.address());
        const ssize_t done = shape_.write ? ::pwrite(file_.fd(), start(), shape_.bytes, at)
                                          : ::pread(file_.fd(), start(), shape_.bytes, at);
        return result(done);
    }
    void undo() override {
        const auto sent = uapi::pattern(checked_bytes, 1);
        std::vector<std::byte> received(checked_bytes);
        const auto at = static_cast<off_t>(buffer_.address() + 100);
        const bool moved =
            ::pwrite(file_.fd(), sent.data(), sent.size(), at) == checked_bytes &&
            ::pread(file_.fd(), received.data(), received.size(), at) == checked_bytes;
        uapi::require(moved && sent == received ? 0 : EIO, "a transfer after the failure");
    }

  protected:
    /// A shorter transfer is no error.
    [[nodiscard]] static int result(ssize_t done) { return done < 0 ? errno : done > 0 ? 0 : EIO; }
    [[nodiscard]] const uapi::File& file() const { return file_; }
    [[nodiscard]] std::uint64_t address() const { return buffer_.address(); }
    [[nodiscard]] std::byte* start() const { return memory_.data() + shape_.offset; }
    [[nodiscard]] const Shape& shape() const { return shape_; }

  private:
    Shape shape_;
    uapi::File file_;
    uapi::Buffer buffer_;
    uapi::Mapping memory_;
};

class Vector : public Transfer {
  public:
    Vector() : Transfer({.bytes = 64 << 10}) {}
    int attempt() override {
        const std::array<iovec, 4> parts{{{start(), 5000},
                                          {start() + 9000, page},
                                          {start() + 20001, 7},
                                          {start() + 40960, 2 * page}}};
        return result(::preadv(file().fd(), parts.data(), static_cast<int>(parts.size()),
                               static_cast<off_t>(address())));
    }
};

class UringTransfer : public Transfer {
  public:
    explicit UringTransfer(const Shape& shape) : Transfer(shape) {}

    void prepare() override {
        Transfer::prepare();
        if (io_uring_sq_ready(ring_.get()) == 0) {
            io_uring_prep_read(ring_.entry(1), file().fd(), nullptr, 0, 0);
        }
        // An entry that the kernel did not take is still the first one.
        io_uring& ring = *ring_.get();
        io_uring_sqe& entry = ring.sq.sqes[*ring.sq.khead & *ring.sq.kring_mask];
        if (shape().write) {
            io_uring_prep_write(&entry, file().fd(), start(), size(), address());
        } else {
            io_uring_prep_read(&entry, file().fd(), start(), size(), address());
        }
        entry.user_data = 1;
    }
    int attempt() override {
        const int submitted = io_uring_submit(ring_.get());
        return submitted < 0 ? -submitted : 0;
    }
    int finish(int error) override {
        if (io_uring_sq_ready(ring_.get()) != 0) {
            return error != 0 ? error : EAGAIN;
        }
        const int done = ring_.results(1).begin()->second;
        return done < 0 ? -done : done > 0 ? 0 : EIO;
    }

  private:
    [[nodiscard]] unsigned size() const { return static_cast<unsigned>(shape().bytes); }
    uapi::IoUring ring_;
};

using uapi::failure_case;
using uapi::FailureCase;

FailureCase uring(const char* name, const Shape& shape) {
    return uapi::in_uring(failure_case<UringTransfer>(name, shape));
}

constexpr std::size_t odd_bytes = (64 << 10) + 77;
constexpr Shape host_shape{.flags = uapi::host, .bytes = 128 << 10};

Shape writing(Shape shape) {
    shape.write = true;
    return shape;
}

}  // namespace

namespace uapi {

INSTANTIATE_TEST_SUITE_P(
    Transfer, Failure,
    testing::Values(failure_case<Transfer>("read, 64 KiB to untouched memory",
                                           Shape{.touched = false}),
                    failure_case<Transfer>("write, 64 KiB of untouched memory",
                                           Shape{.touched = false, .write = true}),
                    failure_case<Transfer>("read, odd", Shape{.bytes = odd_bytes, .offset = 33}),
                    failure_case<Transfer>("write, odd",
                                           Shape{.bytes = odd_bytes, .offset = 33, .write = true}),
                    failure_case<Transfer>("read, 3 MiB", Shape{.bytes = 3 * mib}),
                    failure_case<Transfer>("write, 3 MiB", Shape{.bytes = 3 * mib, .write = true}),
                    failure_case<Transfer>("read of host buffer", host_shape),
                    failure_case<Transfer>("write to host buffer", writing(host_shape)),
                    failure_case<Vector>("readv"),  //
                    uring("io_uring: read, 64 KiB to untouched memory", Shape{.touched = false}),
                    uring("io_uring: read, 64 KiB", Shape{}),
                    uring("io_uring: write, 64 KiB", Shape{.write = true}),
                    uring("io_uring: read, 3 MiB", Shape{.bytes = 3 * mib}),
                    uring("io_uring: write, 3 MiB", Shape{.bytes = 3 * mib, .write = true}),
                    uring("io_uring: read of host buffer", host_shape)),
    test_name);

}  // namespace uapi
