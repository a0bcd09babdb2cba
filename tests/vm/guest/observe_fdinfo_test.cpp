// SPDX-License-Identifier: Apache-2.0
//
// fdinfo: a file's use of the card, with the keys of DRM drivers.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <sstream>
#include <string>
#include <thread>

#include "card.hpp"
#include "commands.hpp"
#include "process.hpp"
#include "sanity.hpp"

namespace {

std::string path_of(int fd, const std::string& process = "self") {
    return "/proc/" + process + "/fdinfo/" + std::to_string(fd);
}

/// The fdinfo of a descriptor of this process, by key.
class Fdinfo {
  public:
    explicit Fdinfo(const uapi::File& file) : Fdinfo(file.fd()) {}
    explicit Fdinfo(int fd) {
        std::istringstream lines(uapi::read_file(path_of(fd)));
        for (std::string line; std::getline(lines, line);) {
            const std::size_t colon = line.find(":\t");
            EXPECT_NE(colon, std::string::npos) << line;
            EXPECT_TRUE(values_.emplace(line.substr(0, colon), line.substr(colon + 2)).second)
                << line << " occurs twice";
        }
    }

    [[nodiscard]] std::string text(const std::string& key) const {
        const auto found = values_.find(key);
        EXPECT_NE(found, values_.end()) << key;
        return found == values_.end() ? "" : found->second;
    }
    /// A value, whose unit must be this one.
    [[nodiscard]] std::uint64_t number(const std::string& key, const std::string& unit) const {
        std::istringstream value(text(key));
        std::uint64_t number = 0;
        std::string its_unit;
        value >> number >> its_unit;
        EXPECT_EQ(its_unit, unit) << key;
        return number;
    }
    [[nodiscard]] std::uint64_t dma() const { return number("drm-engine-dma", "ns"); }
    [[nodiscard]] std::uint64_t compute() const { return number("drm-engine-compute", "ns"); }

  private:
    std::map<std::string, std::string> values_;
};

TEST(Fdinfo, IdentifiesTheFile) {
    const uapi::File file;
    const uapi::File other;
    const Fdinfo info(file);
    EXPECT_EQ(info.text("drm-driver"), "accel");
    EXPECT_EQ(info.text("drm-pdev"), uapi::Card().address());
    EXPECT_EQ(info.text("accel-state"), "running");
    const accel_info card = file.info();
    EXPECT_EQ(info.number("drm-engine-capacity-dma", ""), card.engines & 0xff);
    EXPECT_EQ(info.number("drm-engine-capacity-compute", ""), card.engines >> 8);

    EXPECT_NE(info.text("drm-client-id"), Fdinfo(other).text("drm-client-id"));
    const uapi::Descriptor same(::dup(file.fd()));
    EXPECT_EQ(info.text("drm-client-id"), Fdinfo(same.get()).text("drm-client-id"));
}

TEST(Fdinfo, CountsTheTimeOfEachEngineAndKeepsItWhenTheQueueEnds) {
    const uapi::File file;
    const uapi::File idle;
    const uapi::Product product(file, 64, 1);
    const uapi::Buffer buffer(file, 1 << 20, uapi::device);
    {
        uapi::Queue queue(file);
        EXPECT_EQ(Fdinfo(file).dma(), 0U);
        EXPECT_EQ(Fdinfo(file).compute(), 0U);
        queue.run(product.command());
        EXPECT_GT(Fdinfo(file).compute(), 0U);
        EXPECT_EQ(Fdinfo(file).dma(), 0U);
        queue.run(uapi::fill(buffer.address(), 1, buffer.bytes()));
        EXPECT_GT(Fdinfo(file).dma(), 0U);
        // The card's clock has a resolution of one nanosecond.
        ASSERT_EQ(file.info().clock_hz, 1'000'000'000U);
        EXPECT_EQ(Fdinfo(file).compute(), queue.query().compute_busy);
        EXPECT_EQ(Fdinfo(file).dma(), queue.query().dma_busy);
    }
    const Fdinfo ended(file);
    EXPECT_GT(ended.compute(), 0U);
    uapi::Queue next(file);
    next.run(product.command());
    EXPECT_EQ(Fdinfo(file).compute(), ended.compute() + next.query().compute_busy);
    EXPECT_EQ(Fdinfo(file).dma(), ended.dma());
    EXPECT_EQ(Fdinfo(idle).compute(), 0U);
}

// The file was not read during the queue's lifetime.
TEST(Fdinfo, KeepsTheTimeOfADestroyedQueueThatWasNeverRead) {
    const uapi::File file;
    const uapi::Product product(file, 64, 1);
    {
        uapi::Queue queue(file);
        queue.run(product.command());
    }
    EXPECT_GT(Fdinfo(file).compute(), 0U);
}

TEST(Fdinfo, CountsHostAndDeviceMemory) {
    const uapi::File file;
    EXPECT_EQ(Fdinfo(file).number("drm-total-memory", "KiB"), 0U);
    const uapi::Buffer on_host(file, 3 * uapi::page);
    const uapi::Mapping own = uapi::Mapping::anonymous(2 * uapi::page);
    const uapi::Registration registered(file, own.data(), own.size());
    {
        const uapi::Buffer on_card(file, 5 * uapi::page, uapi::device);
        const uapi::Queue queue(file, 64);
        const Fdinfo info(file);
        EXPECT_EQ(info.number("drm-total-vram", "KiB"), 20U);
        EXPECT_EQ(info.number("drm-resident-vram", "KiB"), 20U);
        // This includes the status page and the ring of the queue.
        EXPECT_EQ(info.number("drm-total-memory", "KiB"), 12U + 8U + 8U);
        EXPECT_EQ(info.number("drm-memory-memory", "KiB"), 12U + 8U + 8U);
        EXPECT_EQ(info.number("accel-registered", "KiB"), 8U);
        EXPECT_EQ(info.number("accel-buffers", ""), 3U);
        EXPECT_EQ(info.number("accel-queues", ""), 1U);
    }
    EXPECT_EQ(Fdinfo(file).number("drm-total-vram", "KiB"), 0U);
    EXPECT_EQ(Fdinfo(file).number("accel-queues", ""), 0U);
}

TEST(Fdinfo, HasALineForEachQueue) {
    const uapi::File file;
    uapi::Queue queue(file, 64, 2);
    const uapi::Semaphore semaphore(file);
    // The card's id of the queue determines the address of its doorbell.
    const auto id = (queue.created().doorbell - (1ULL << 30)) / ACCEL_DOORBELL_STRIDE;
    const std::string key = "accel-queue-" + std::to_string(id);
    queue.run(uapi::nop());
    EXPECT_TRUE(Fdinfo(file).text(key).starts_with(
        "running priority 2 completed 1 pending 0 dma 0 ns compute 0 ns activity "));
    const std::uint64_t sequence = queue.submit(uapi::wait_for(semaphore.address(), 1));
    EXPECT_TRUE(Fdinfo(file).text(key).starts_with(
        "running priority 2 completed 1 pending 1 dma 0 ns compute 0 ns activity "));
    semaphore.set(1);
    EXPECT_EQ(queue.wait(sequence), 0);
    static_cast<void>(queue.run_to_error(uapi::fill(16, 1, 4)));
    EXPECT_TRUE(Fdinfo(file).text(key).starts_with("error priority 2 completed 2 pending 1 "));
}

TEST(Fdinfo, IsForTheOwnerOfTheProcessAndNoOtherUser) {
    const uapi::File file;
    uapi::Process owner([&] {
        uapi::become_user();
        // The change of the user removes the permission.
        ::prctl(PR_SET_DUMPABLE, 1);
        uapi::check(!Fdinfo(file).text("drm-client-id").empty(),
                    "a process cannot read its own fdinfo");
    });
    EXPECT_EQ(owner.wait(), 0);
    const std::string mine = path_of(file.fd(), std::to_string(::getpid()));
    uapi::Process other([&] {
        uapi::become_user();
        uapi::check(::open(mine.c_str(), O_RDONLY) < 0 && errno == EACCES,
                    "a user could read the fdinfo of root");
    });
    EXPECT_EQ(other.wait(), 0);
}

TEST(Fdinfo, KeepsItsValuesThroughAResetAndARemoval) {
    const uapi::Card card;
    const uapi::File file;
    const uapi::Product product(file, 64, 1);
    uapi::Queue queue(file);
    queue.run(product.command());
    const std::uint64_t before = Fdinfo(file).compute();
    EXPECT_GT(before, 0U);
    card.reset();
    EXPECT_EQ(Fdinfo(file).text("accel-state"), "reset");
    EXPECT_EQ(Fdinfo(file).compute(), before);
    card.unbind();
    EXPECT_EQ(Fdinfo(file).text("accel-state"), "gone");
    EXPECT_EQ(Fdinfo(file).text("drm-pdev"), card.address());
    EXPECT_EQ(Fdinfo(file).compute(), before);
    card.bind();
    uapi::expect_working_card();
}

TEST(Fdinfo, NeverDecreasesWhileQueuesAreDestroyedAndTheCardIsReset) {
    const uapi::OneProcessor one;
    const uapi::Card card;
    const uapi::File file;
    const uapi::Product product(file, 32, 1);
    std::atomic<bool> stop = false;
    std::jthread worker([&] {
        for (int i = 0; i < 60; ++i) {
            try {
                uapi::Queue queue(file, 8);
                queue.run(product.command());
            } catch (const std::system_error& error) {
                EXPECT_EQ(error.code().value(), ESTALE) << error.what();
                break;
            }
        }
        stop = true;
    });
    std::uint64_t last = 0;
    for (int i = 0; !stop; ++i) {
        const std::uint64_t now = Fdinfo(file).compute();
        EXPECT_GE(now, last);
        last = now;
        if (i == 200) {
            card.reset();
        }
    }
    worker.join();
    EXPECT_GE(Fdinfo(file).compute(), last);
    uapi::expect_working_card();
}

// The card clears memory during an allocation, and the file is locked meanwhile. A reader that
// waits for that lock could read only once or twice during a call.
TEST(Fdinfo, IsReadableManyTimesDuringOneCall) {
    const uapi::File file;
    const std::uint64_t half = file.info().memory_size / 2;
    std::atomic<std::uint64_t> call = 0;  // odd during a call
    std::atomic<bool> stop = false;
    std::jthread caller([&] {
        while (!stop) {
            accel_buffer_create create{};
            create.flags = uapi::device;
            create.bytes = half;
            ++call;
            EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_CREATE, create), 0);
            ++call;
            accel_buffer_destroy destroy{.size = 0, .handle = create.handle};
            EXPECT_EQ(file.call(ACCEL_IOCTL_BUFFER_DESTROY, destroy), 0);
        }
    });
    const std::string node = uapi::Card().node();
    const std::string used =
        "/sys/class/accel-card" + node.substr(node.rfind('/')) + "/memory_used";
    std::uint64_t during = 0;
    std::uint64_t looks = 0;
    uapi::await("enough reads during one call", [&] {
        const std::uint64_t before = call;
        // From now until the end of the call, the memory is allocated and being cleared.
        const bool clearing = uapi::read_file(used) != "0\n";
        EXPECT_EQ(Fdinfo(file).text("accel-state"), "running");
        const bool within = clearing && before == call && before % 2 == 1;
        looks = within && before == during ? looks + 1 : within ? 1 : 0;
        during = before;
        return looks == 10;
    });
    stop = true;
    // This happens in the first thirty calls; with a blocked reader it needs seventy or more.
    EXPECT_LT(during, 60U);
}

}  // namespace
