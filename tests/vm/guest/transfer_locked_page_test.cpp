// SPDX-License-Identifier: Apache-2.0
//
// A process can serve a file system of its own, and so keep a page of a file locked for as long as
// it likes. A transfer into that page delays neither the removal of a card nor other transfers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "card.hpp"
#include "io_uring.hpp"
#include "process.hpp"
#include "sanity.hpp"
#include "tools.hpp"

namespace {

constexpr uid_t attacker_user = 1001;
constexpr std::uint64_t root_node = 1;
constexpr std::uint64_t file_node = 2;

/// Serves a file system with one file of a page, and never answers a write.
class Server {
  public:
    explicit Server(int fd) : fd_(fd) {
        std::thread([this] { serve(); }).detach();
    }
    /// The kernel cleans the page: it locks the page and waits for the answer to the write.
    void invalidate() const {
        struct {
            fuse_out_header header{};
            fuse_notify_inval_inode_out inode{};
        } message;
        message.header.len = sizeof message;
        message.header.error = FUSE_NOTIFY_INVAL_INODE;
        message.inode.ino = file_node;
        message.inode.len = uapi::page;
        static_cast<void>(::write(fd_, &message, sizeof message));
    }
    [[nodiscard]] bool holds_a_write() const { return holds_; }

  private:
    static fuse_attr attributes(std::uint64_t node) {
        fuse_attr result{};
        result.ino = node;
        result.mode = node == root_node ? S_IFDIR | 0777 : S_IFREG | 0666;
        result.nlink = 1;
        result.size = node == root_node ? 0 : uapi::page;
        result.blksize = uapi::page;
        return result;
    }
    void reply(const fuse_in_header& request, const void* data, std::size_t bytes,
               int error = 0) const {
        fuse_out_header header{};
        header.len = static_cast<std::uint32_t>(sizeof header + bytes);
        header.error = -error;
        header.unique = request.unique;
        const std::array<iovec, 2> parts{
            {{&header, sizeof header}, {const_cast<void*>(data), bytes}}};
        static_cast<void>(::writev(fd_, parts.data(), bytes == 0 ? 1 : 2));
    }
    void answer(const fuse_in_header& request) {
        switch (request.opcode) {
            case FUSE_INIT: {
                fuse_init_out out{};
                out.major = FUSE_KERNEL_VERSION;
                out.minor = 31;
                out.max_write = 1U << 16;
                return reply(request, &out, sizeof out);
            }
            case FUSE_LOOKUP: {
                fuse_entry_out out{};
                out.nodeid = file_node;
                out.entry_valid = out.attr_valid = 1000;
                out.attr = attributes(file_node);
                return reply(request, &out, sizeof out);
            }
            case FUSE_GETATTR: {
                fuse_attr_out out{};
                out.attr_valid = 1000;
                out.attr = attributes(request.nodeid);
                return reply(request, &out, sizeof out);
            }
            case FUSE_OPEN: {
                fuse_open_out out{};
                out.open_flags = FOPEN_KEEP_CACHE;
                return reply(request, &out, sizeof out);
            }
            case FUSE_READ: {
                const std::vector<std::byte> zeros(uapi::page);
                return reply(request, zeros.data(), zeros.size());
            }
            case FUSE_WRITE:
                holds_ = true;
                return;
            case FUSE_FORGET:
            case FUSE_BATCH_FORGET:
                return;
            default:
                return reply(request, nullptr, 0, ENOSYS);
        }
    }
    void serve() {
        std::vector<std::byte> request(1U << 18);
        while (::read(fd_, request.data(), request.size()) > 0) {
            fuse_in_header header{};
            std::memcpy(&header, request.data(), sizeof header);
            answer(header);
        }
    }

    int fd_;
    std::atomic<bool> holds_ = false;
};

class LockedPage : public testing::Test {
  protected:
    void SetUp() override {
        fuse_ = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
        if (!uapi::Monitor::present() || fuse_ < 0) {
            GTEST_SKIP() << "this machine has no monitor or no FUSE";
        }
        ::mkdir(folder, 0777);
        const std::string options =
            "fd=" + std::to_string(fuse_) + ",rootmode=40000,user_id=1001,group_id=0,allow_other";
        ASSERT_EQ(::mount("fuse", folder, "fuse", MS_NOSUID | MS_NODEV, options.c_str()), 0);
        mounted_ = true;
    }
    void TearDown() override {
        if (mounted_) {
            ::umount2(folder, MNT_FORCE | MNT_DETACH);
        }
        if (fuse_ >= 0) {
            ::close(fuse_);
        }
        if (!IsSkipped()) {
            uapi::expect_working_card();
        }
    }

    static constexpr const char* folder = "/locked-page";
    static constexpr const char* path = "/locked-page/file";
    int fuse_ = -1;
    bool mounted_ = false;
    /// QEMU with two processors may crash in a reset; see OneProcessor.
    uapi::OneProcessor one_;
};

TEST_F(LockedPage, OfATransferDelaysNoRemoval) {
    const uapi::Card card(0);
    ::chmod(card.node().c_str(), 0666);
    const std::string node = card.node();
    const uapi::Counter ready;
    const uapi::Counter hangs;
    const uapi::Counter locked;
    const uapi::Counter moved;
    const uapi::Counter ended;
    uapi::Process attacker([&] {
        uapi::become_user({}, attacker_user);
        Server server(fuse_);
        const int fd = ::open(path, O_RDWR);
        uapi::check(fd >= 0, "no file");
        auto* const target = static_cast<std::byte*>(
            ::mmap(nullptr, uapi::page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
        uapi::check(target != MAP_FAILED, "no mapping");
        target[0] = std::byte{1};
        const uapi::File file(node);
        const uapi::Buffer buffer(file, uapi::page, uapi::device);
        std::vector<std::byte> other(uapi::page);
        ready.add();
        hangs.await(1);
        uapi::IoUring ring;
        io_uring_prep_read(ring.entry(1), file.fd(), target, uapi::page, buffer.address());
        io_uring_prep_read(ring.entry(2), file.fd(), other.data(), uapi::page, buffer.address());
        uapi::check(io_uring_submit(ring.get()) == 2, "the submission");
        std::thread([&server] { server.invalidate(); }).detach();
        uapi::await("the lock of the page", [&] { return server.holds_a_write(); });
        locked.add();
        uapi::await("the other transfer", [&] {
            io_uring_get_events(ring.get());
            return io_uring_cq_ready(ring.get()) == 1;
        });
        moved.add();
        ended.await(1);
        uapi::await("the transfer", [&] {
            io_uring_get_events(ring.get());
            return io_uring_cq_ready(ring.get()) == 2;
        });
        ::_exit(0);
    });
    ready.await(1);
    uapi::Monitor().set(0, "defect", "engines");
    hangs.add();
    locked.await(1);
    uapi::Monitor().set(0, "defect", "none");
    moved.await(1);
    uapi::Process remover([&] { card.unbind(); });
    EXPECT_EQ(remover.wait(std::chrono::seconds(10)), 0);
    // The kernel ends all requests to the server, and unlocks the page.
    ::umount2(folder, MNT_FORCE);
    ended.add();
    EXPECT_EQ(attacker.wait(), 0);
    card.bind();
}

// The end of a file in a thread of the kernel would wait for the page, with all others.
TEST_F(LockedPage, CannotBeRegisteredForWriting) {
    const std::string node = uapi::Card(0).node();
    const uapi::Counter as_input;
    const uapi::Counter as_output;
    const uapi::Counter done;
    uapi::Process user([&] {
        const Server server(fuse_);
        const int fd = ::open(path, O_RDWR);
        void* const memory = ::mmap(nullptr, uapi::page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        const uapi::File file(node);
        const auto attempt = [&](std::uint32_t flags) {
            return static_cast<unsigned>(
                uapi::Registration::attempt(file, memory, uapi::page, flags));
        };
        as_input.add(attempt(uapi::readable));
        as_output.add(attempt(uapi::host));
        done.add();
        ::pause();
    });
    done.await(1);
    EXPECT_EQ(as_input.value(), 0U);
    EXPECT_EQ(as_output.value(), static_cast<unsigned>(EFAULT));
    // The process would wait for its own server at its end.
    ::umount2(folder, MNT_FORCE);
    user.kill();
}

}  // namespace
