// SPDX-License-Identifier: Apache-2.0
//
// Who may do what, with the rules for udev that are installed with the driver: a daemon of udev
// runs in the guest for it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "card.hpp"
#include "commands.hpp"
#include "health.hpp"
#include "process.hpp"

namespace {

namespace fs = std::filesystem;

constexpr const char* udevadm = "/usr/bin/udevadm";
const fs::path by_id = "/dev/accel/by-id";
const fs::path by_path = "/dev/accel/by-path";

/// Starts udev's program under a name that tells it what to be.
pid_t start(const char* name, std::vector<std::string> arguments) {
    std::vector<char*> pointers{const_cast<char*>(name)};
    for (std::string& argument : arguments) {
        pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    const pid_t pid = ::fork();
    bench::require(pid >= 0 ? 0 : errno, "fork");
    if (pid == 0) {
        ::execv(udevadm, pointers.data());
        ::_exit(127);
    }
    return pid;
}

int run(std::vector<std::string> arguments) {
    int status = -1;
    ::waitpid(start("udevadm", std::move(arguments)), &status, 0);
    return status;
}

/// A daemon, until this is destroyed; then the guest is as it was.
class Daemon {
  public:
    Daemon() : pid_(start("systemd-udevd", {"--children-max=2"})) {
        bench::await("udevd", [] { return ::access("/run/udev/control", F_OK) == 0; });
        bench::require(run({"trigger", "--settle", "--subsystem-match=accel-card"}) == 0 ? 0 : EIO,
                       "udevadm trigger");
    }
    Daemon(Daemon&&) = delete;
    Daemon& operator=(Daemon&&) = delete;
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
        std::error_code ignored;
        fs::remove_all("/dev/accel", ignored);
        fs::remove_all("/run/udev", ignored);
    }

  private:
    pid_t pid_;
};

class Permission : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        if (::access(udevadm, X_OK) == 0) {
            daemon_ = std::make_unique<Daemon>();
        }
    }
    static void TearDownTestSuite() { daemon_.reset(); }
    void SetUp() override {
        if (!daemon_) {
            GTEST_SKIP() << "the machine that packed this guest has no udev";
        }
    }

    static gid_t group() {
        std::istringstream lines(bench::read_file("/etc/group"));
        const std::string name = "accel:x:";
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(name)) {
                return static_cast<gid_t>(std::stoul(line.substr(name.size())));
            }
        }
        throw std::runtime_error("the guest has no group accel");
    }
    /// Returns when udev has been at the node.
    static void await_node(const std::string& node) {
        bench::await("the rules", [&] {
            struct stat status {};
            return ::stat(node.c_str(), &status) == 0 && status.st_gid == group();
        });
    }
    [[nodiscard]] fs::path id_link() const {
        std::string serial = bench::read_file("/sys/class/accel-card" /
                                              fs::path(card_.node()).filename() / "serial");
        serial.pop_back();
        return by_id / ("accel-" + serial);
    }
    [[nodiscard]] fs::path path_link() const { return by_path / ("pci-" + card_.address()); }

    bench::Card card_;

  private:
    static inline std::unique_ptr<Daemon> daemon_;
};

TEST_F(Permission, NodeIsForItsGroupAndNobodyElse) {
    for (std::size_t i = 0; i < bench::Card::count(); ++i) {
        const std::string node = bench::Card(i).node();
        await_node(node);
        struct stat status {};
        ASSERT_EQ(::stat(node.c_str(), &status), 0);
        EXPECT_EQ(status.st_uid, 0U) << node;
        EXPECT_EQ(status.st_gid, group()) << node;
        EXPECT_EQ(status.st_mode, static_cast<mode_t>(S_IFCHR | 0660)) << node;
    }
}

TEST_F(Permission, NodeHasNamesBySerialNumberAndBySlot) {
    std::set<fs::path> links;
    for (std::size_t i = 0; i < bench::Card::count(); ++i) {
        card_ = bench::Card(i);
        for (const fs::path& link : {id_link(), path_link()}) {
            ASSERT_TRUE(fs::is_symlink(link)) << link;
            EXPECT_EQ(fs::canonical(link), card_.node()) << link;
            EXPECT_TRUE(links.insert(link).second) << link;
        }
    }
}

TEST_F(Permission, NamesGoAndComeWithTheCard) {
    const std::array links{id_link(), path_link()};
    card_.unbind();
    for (const fs::path& link : links) {
        bench::await("the end of a link", [&] { return !fs::is_symlink(link); });
    }
    card_.bind();
    for (const fs::path& link : links) {
        bench::await("a link", [&] { return fs::exists(link); });
        EXPECT_EQ(fs::canonical(link), card_.node());
    }
    await_node(card_.node());
    bench::expect_healthy();
}

TEST_F(Permission, UserWithoutTheGroupCannotOpenTheNode) {
    await_node(card_.node());
    bench::Process user([&] {
        bench::become_user();
        for (const int mode : {O_RDONLY, O_WRONLY, O_RDWR}) {
            bench::check(::open(card_.node().c_str(), mode) < 0 && errno == EACCES, "refused");
        }
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Permission, GroupIsEnoughToRunJobs) {
    await_node(card_.node());
    bench::Process user([&] {
        bench::become_user(group());
        const bench::File file(id_link());
        bench::Queue queue(file);
        const bench::Buffer host(file, bench::page);
        const bench::Buffer device(file, bench::page, bench::device);
        queue.run(bench::fill(device.address(), 0x5eed, bench::page));
        queue.run(bench::copy(host.address(), device.address(), bench::page));
        bench::check(host.as<std::uint32_t>()[7] == 0x5eed, "the card did the work");
        std::vector<std::byte> memory(bench::page);
        const bench::Registration registered(file, memory.data(), memory.size());
        queue.run(bench::fill(registered.address(), 1, 4));
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Permission, GroupIsNotEnoughToResetOrConfigureAnything) {
    const fs::path driver = fs::canonical(card_.folder() / "driver");
    const std::string generation_file =
        "/sys/class/accel-card/" + fs::path(card_.node()).filename().string() + "/generation";
    const std::string generation = bench::read_file(generation_file);
    bench::Process user([&] {
        bench::become_user(group());
        for (const char* name : {"reset", "remove", "rescan", "enable", "config", "driver_override",
                                 "power/control", "resource0", "resource2", "resource4"}) {
            const fs::path file = card_.folder() / name;
            bench::check(!fs::exists(file) || bench::write_file(file, "1") == EACCES, name);
        }
        for (const char* name : {"bind", "unbind", "new_id", "remove_id"}) {
            bench::check(bench::write_file(driver / name, card_.address()) == EACCES, name);
        }
        // Whatever else there is, now or some day: attributes of the node, its sensors, the
        // function.
        for (const fs::path& top : {card_.folder(), driver, fs::path("/sys/module/accel")}) {
            for (auto entry = fs::recursive_directory_iterator(
                     top, fs::directory_options::skip_permission_denied);
                 entry != fs::recursive_directory_iterator(); ++entry) {
                bench::check(
                    !entry->is_regular_file() || ::access(entry->path().c_str(), W_OK) != 0,
                    entry->path().c_str());
            }
        }
    });
    EXPECT_EQ(user.wait(), 0);
    EXPECT_EQ(bench::read_file(generation_file), generation);
}

}  // namespace
