// SPDX-License-Identifier: Apache-2.0
//
// Access rights with the udev rules that are installed with the driver. The tests run udev's daemon
// in the guest.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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
#include "process.hpp"
#include "sanity.hpp"

namespace {

namespace fs = std::filesystem;

constexpr const char* udevadm = "/usr/bin/udevadm";
const fs::path by_id = "/dev/accel/by-id";
const fs::path by_path = "/dev/accel/by-path";

/// Runs udev's program, whose name selects its function.
pid_t start(const char* name, std::vector<std::string> arguments) {
    std::vector<char*> pointers{const_cast<char*>(name)};
    for (std::string& argument : arguments) {
        pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    const pid_t pid = ::fork();
    uapi::require(pid >= 0 ? 0 : errno, "fork");
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

/// Runs the daemon during its lifetime; the destructor restores the guest.
class Daemon {
  public:
    Daemon() : pid_(start("systemd-udevd", {"--children-max=2"})) {
        uapi::await("udevd", [] { return ::access("/run/udev/control", F_OK) == 0; });
        uapi::require(run({"trigger", "--settle", "--subsystem-match=accel-card"}) == 0 ? 0 : EIO,
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
        std::istringstream lines(uapi::read_file("/etc/group"));
        const std::string name = "accel:x:";
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with(name)) {
                return static_cast<gid_t>(std::stoul(line.substr(name.size())));
            }
        }
        throw std::runtime_error("the guest has no group accel");
    }
    /// Waits until udev has processed the node.
    static void await_node(const std::string& node) {
        uapi::await("udev to apply its rules", [&] {
            struct stat status {};
            return ::stat(node.c_str(), &status) == 0 && status.st_gid == group();
        });
    }
    [[nodiscard]] fs::path id_link() const {
        std::string serial =
            uapi::read_file("/sys/class/accel-card" / fs::path(card_.node()).filename() / "serial");
        serial.pop_back();
        return by_id / ("accel-" + serial);
    }
    [[nodiscard]] fs::path path_link() const { return by_path / ("pci-" + card_.address()); }

    uapi::Card card_;

  private:
    static inline std::unique_ptr<Daemon> daemon_;
};

TEST_F(Permission, NodeIsAccessibleOnlyForItsGroup) {
    for (std::size_t i = 0; i < uapi::Card::count(); ++i) {
        const std::string node = uapi::Card(i).node();
        await_node(node);
        struct stat status {};
        ASSERT_EQ(::stat(node.c_str(), &status), 0);
        EXPECT_EQ(status.st_uid, 0U) << node;
        EXPECT_EQ(status.st_gid, group()) << node;
        EXPECT_EQ(status.st_mode, static_cast<mode_t>(S_IFCHR | 0660)) << node;
    }
}

// systemd has a unit for a device with this tag, and a service can wait for it.
TEST_F(Permission, NodeHasTheTagOfSystemd) {
    await_node(card_.node());
    struct stat status {};
    ASSERT_EQ(::stat(card_.node().c_str(), &status), 0);
    const fs::path tag = "/run/udev/tags/systemd/c" + std::to_string(major(status.st_rdev)) + ":" +
                         std::to_string(minor(status.st_rdev));
    uapi::await("udev's database", [&] { return fs::exists(tag); });
}

TEST_F(Permission, NodeHasNamesBySerialNumberAndBySlot) {
    std::set<fs::path> links;
    for (std::size_t i = 0; i < uapi::Card::count(); ++i) {
        card_ = uapi::Card(i);
        for (const fs::path& link : {id_link(), path_link()}) {
            ASSERT_TRUE(fs::is_symlink(link)) << link;
            EXPECT_EQ(fs::canonical(link), card_.node()) << link;
            EXPECT_TRUE(links.insert(link).second) << link;
        }
    }
}

TEST_F(Permission, NamesDisappearAndReturnWithTheCard) {
    const std::array links{id_link(), path_link()};
    card_.unbind();
    for (const fs::path& link : links) {
        uapi::await("the end of a link", [&] { return !fs::is_symlink(link); });
    }
    card_.bind();
    for (const fs::path& link : links) {
        uapi::await("a symbolic link", [&] { return fs::exists(link); });
        EXPECT_EQ(fs::canonical(link), card_.node());
    }
    await_node(card_.node());
    uapi::expect_working_card();
}

TEST_F(Permission, UserWithoutTheGroupCannotOpenTheNode) {
    await_node(card_.node());
    uapi::Process user([&] {
        uapi::become_user();
        for (const int mode : {O_RDONLY, O_WRONLY, O_RDWR}) {
            uapi::check(::open(card_.node().c_str(), mode) < 0 && errno == EACCES, "refused");
        }
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Permission, MembersOfTheGroupCanRunJobs) {
    await_node(card_.node());
    uapi::Process user([&] {
        uapi::become_user(group());
        const uapi::File file(id_link());
        uapi::Queue queue(file);
        const uapi::Buffer host(file, uapi::page);
        const uapi::Buffer device(file, uapi::page, uapi::device);
        queue.run(uapi::fill(device.address(), 0x5eed, uapi::page));
        queue.run(uapi::copy(host.address(), device.address(), uapi::page));
        uapi::check(host.as<std::uint32_t>()[7] == 0x5eed, "the result of the job is wrong");
        std::vector<std::byte> memory(uapi::page);
        const uapi::Registration registered(file, memory.data(), memory.size());
        queue.run(uapi::fill(registered.address(), 1, 4));
    });
    EXPECT_EQ(user.wait(), 0);
}

TEST_F(Permission, MembersOfTheGroupCannotResetOrConfigureAnything) {
    const fs::path driver = fs::canonical(card_.folder() / "driver");
    const std::string generation_file =
        "/sys/class/accel-card/" + fs::path(card_.node()).filename().string() + "/generation";
    const std::string generation = uapi::read_file(generation_file);
    uapi::Process user([&] {
        uapi::become_user(group());
        for (const char* name : {"reset", "remove", "rescan", "enable", "config", "driver_override",
                                 "power/control", "resource0", "resource2", "resource4"}) {
            const fs::path file = card_.folder() / name;
            uapi::check(!fs::exists(file) || uapi::write_file(file, "1") == EACCES, name);
        }
        for (const char* name : {"bind", "unbind", "new_id", "remove_id"}) {
            uapi::check(uapi::write_file(driver / name, card_.address()) == EACCES, name);
        }
        // All other files, including future ones: attributes of the node, its sensors, the
        // function.
        for (const fs::path& top : {card_.folder(), driver, fs::path("/sys/module/accel")}) {
            for (auto entry = fs::recursive_directory_iterator(
                     top, fs::directory_options::skip_permission_denied);
                 entry != fs::recursive_directory_iterator(); ++entry) {
                uapi::check(!entry->is_regular_file() || ::access(entry->path().c_str(), W_OK) != 0,
                            entry->path().c_str());
            }
        }
    });
    EXPECT_EQ(user.wait(), 0);
    EXPECT_EQ(uapi::read_file(generation_file), generation);
}

}  // namespace
