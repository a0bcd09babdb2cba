// SPDX-License-Identifier: Apache-2.0
//
// Failures in open() and close(), in the files of sysfs and debugfs, in resets, and when the driver
// is bound, unbound, loaded and unloaded.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "card.hpp"
#include "commands.hpp"
#include "failures.hpp"
#include "sanity.hpp"

namespace {

namespace fs = std::filesystem;
using uapi::Operation;

constexpr std::size_t some_bytes = 64 << 10;
constexpr auto driver_folder = "/sys/bus/pci/drivers/accel";
constexpr auto module_file = "/vm/modules/accel.ko";

class Open : public Operation {
  public:
    int attempt() override {
        fd_ = ::open(node_.c_str(), O_RDWR | O_CLOEXEC);
        return fd_ < 0 ? errno : 0;
    }
    void undo() override { ::close(fd_); }

  private:
    std::string node_ = uapi::Card().node();
    int fd_ = -1;
};

/// A file with an object of each kind.
class Everything {
  public:
    Everything() {
        create(uapi::host);
        const std::uint32_t shared = create(uapi::device);
        accel_buffer_register registration{};
        registration.flags = uapi::host;
        registration.pointer = reinterpret_cast<std::uintptr_t>(memory_.data());
        registration.bytes = memory_.size();
        uapi::require(file_.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), "BUFFER_REGISTER");
        accel_buffer_export share{};
        share.handle = shared;
        share.flags = ACCEL_EXPORT_REVOKE;
        uapi::require(file_.call(ACCEL_IOCTL_BUFFER_EXPORT, share), "BUFFER_EXPORT");
        const uapi::Descriptor dmabuf(share.fd);
        accel_buffer_import import{};
        import.flags = uapi::host;
        import.fd = dmabuf.get();
        uapi::require(file_.call(ACCEL_IOCTL_BUFFER_IMPORT, import), "BUFFER_IMPORT");
        accel_queue_create queue{};
        queue.entries = 64;
        uapi::require(file_.call(ACCEL_IOCTL_QUEUE_CREATE, queue), "QUEUE_CREATE");
    }
    [[nodiscard]] uapi::File& file() { return file_; }

  private:
    std::uint32_t create(std::uint32_t flags) {
        accel_buffer_create create{};
        create.flags = flags;
        create.bytes = some_bytes;
        uapi::require(file_.call(ACCEL_IOCTL_BUFFER_CREATE, create), "BUFFER_CREATE");
        return create.handle;
    }
    uapi::File file_;
    uapi::Mapping memory_ = uapi::Mapping::anonymous(some_bytes);
};

class Close : public Operation {
  public:
    void prepare() override { everything_ = std::make_unique<Everything>(); }
    int attempt() override {
        everything_->file().close();
        return 0;
    }
    void undo() override { everything_.reset(); }

  private:
    std::unique_ptr<Everything> everything_;
};

/// All files below the folders with one of these permissions, without the kernel's own.
std::vector<std::string> files(const std::vector<fs::path>& folders, mode_t permissions) {
    std::vector<std::string> found;
    for (const fs::path& folder : folders) {
        for (auto at = fs::recursive_directory_iterator(folder);
             at != fs::recursive_directory_iterator(); ++at) {
            if (at->path().filename() == "power" || at->is_symlink()) {
                at.disable_recursion_pending();
                continue;
            }
            struct stat status {};
            const bool known = ::stat(at->path().c_str(), &status) == 0;
            if (known && S_ISREG(status.st_mode) && (status.st_mode & permissions) == permissions &&
                at->path().filename() != "uevent") {
                found.push_back(at->path());
            }
        }
    }
    return found;
}

std::vector<fs::path> sysfs_folders() {
    const uapi::Card card;
    return {fs::path("/sys/class/accel-card") / card.name(), card.folder() / "hwmon"};
}

int write_once(const char* path, const char* text) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    const int error = ::write(fd, text, std::strlen(text)) < 0 ? errno : 0;
    ::close(fd);
    return error;
}

/// Reads each file once. The files are open: open() of sysfs has hundreds of points of its own.
class Read : public Operation {
  public:
    enum class Place { sysfs, debugfs, fdinfo };
    explicit Read(Place place) {
        switch (place) {
            case Place::sysfs:
                open(files(sysfs_folders(), S_IRUSR));
                break;
            case Place::debugfs:
                open(files({"/sys/kernel/debug/accel-card/" + uapi::Card().name()}, S_IRUSR));
                break;
            case Place::fdinfo:
                open({"/proc/self/fdinfo/" + std::to_string(everything_.file().fd())});
                break;
        }
    }
    int attempt() override {
        for (const uapi::Descriptor& file : files_) {
            if (::pread(file.get(), text_.data(), text_.size(), 0) < 0) {
                return errno;
            }
        }
        return 0;
    }

  private:
    void open(const std::vector<std::string>& paths) {
        for (const std::string& path : paths) {
            files_.emplace_back(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
            uapi::require(files_.back().get() >= 0 ? 0 : errno, path);
        }
    }
    Everything everything_;
    std::vector<uapi::Descriptor> files_;
    std::vector<char> text_ = std::vector<char>(65536);
};

/// Writes each setting of the card with its own value.
class Write : public Operation {
  public:
    Write() {
        for (const std::string& path : files(sysfs_folders(), S_IRUSR | S_IWUSR)) {
            settings_.emplace_back(uapi::Descriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC)),
                                   uapi::read_file(path));
        }
    }
    int attempt() override {
        for (const auto& [file, text] : settings_) {
            if (::pwrite(file.get(), text.data(), text.size(), 0) < 0) {
                return errno;
            }
        }
        return 0;
    }

  private:
    std::vector<std::pair<uapi::Descriptor, std::string>> settings_;
};

class StopQueue : public Operation {
  public:
    StopQueue() {
        const std::string text = uapi::read_file("/proc/self/fdinfo/" + std::to_string(file_.fd()));
        constexpr std::string_view field = "accel-queue-";
        number_ = std::to_string(std::stoi(text.substr(text.find(field) + field.size())));
        path_ = "/sys/class/accel-card/" + uapi::Card().name() + "/stop_queue";
    }
    int attempt() override { return write_once(path_.c_str(), number_.c_str()); }
    void undo() override {
        uapi::require(queue_.reset(), "QUEUE_RESET");
        queue_.run(uapi::nop());
    }

  private:
    uapi::File file_;
    uapi::Queue queue_{file_};
    std::string number_;
    std::string path_;
};

class Reset : public Operation {
  public:
    int attempt() override { return write_once(path_.c_str(), "1"); }
    void undo() override { uapi::expect_working_card(); }

  private:
    std::string path_ = uapi::Card().folder() / "reset";
};

/// The card is bound again at the end.
class Binding : public Operation {
  public:
    Binding() = default;
    Binding(const Binding&) = delete;
    Binding& operator=(const Binding&) = delete;
    Binding(Binding&&) = delete;
    Binding& operator=(Binding&&) = delete;
    ~Binding() override {
        if (!card_.bound()) {
            card_.bind();
        }
    }

  protected:
    [[nodiscard]] const uapi::Card& card() const { return card_; }
    [[nodiscard]] int bind() const { return write_once(bind_.c_str(), address_.c_str()); }
    [[nodiscard]] int unbind() const { return write_once(unbind_.c_str(), address_.c_str()); }

  private:
    uapi::Card card_;
    std::string address_ = card_.address();
    std::string bind_ = fs::path(driver_folder) / "bind";
    std::string unbind_ = fs::path(driver_folder) / "unbind";
};

class Bind : public Binding {
  public:
    void prepare() override {
        if (card().bound()) {
            card().unbind();
        }
    }
    int attempt() override { return bind(); }
    void undo() override {
        uapi::await("the node", [&] { return fs::exists(card().node()); });
        uapi::expect_working_card();
    }
};

class Unbind : public Binding {
  public:
    void prepare() override {
        if (!card().bound()) {
            card().bind();
        }
    }
    int attempt() override { return unbind(); }
};

/// The module without cards; they are bound again at the end.
class Module : public Operation {
  public:
    Module() { uapi::require(uapi::write_file(autoprobe, "0"), autoprobe); }
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;
    Module(Module&&) = delete;
    Module& operator=(Module&&) = delete;
    ~Module() override {
        static_cast<void>(uapi::Card::unload());
        static_cast<void>(uapi::write_file(autoprobe, "1"));
        static_cast<void>(uapi::Card::load());
        static_cast<void>(accel::test::eventually([] { return fs::exists(uapi::Card().node()); }));
    }

  private:
    static constexpr auto autoprobe = "/sys/bus/pci/drivers_autoprobe";
};

class Load : public Module {
  public:
    void prepare() override {
        const int error = uapi::Card::unload();
        uapi::require(error == ENOENT ? 0 : error, "unload");
    }
    int attempt() override {
        return ::syscall(SYS_finit_module, file_.get(), "", 0) == 0 ? 0 : errno;
    }

  private:
    uapi::Descriptor file_{::open(module_file, O_RDONLY | O_CLOEXEC)};
};

class Unload : public Module {
  public:
    void prepare() override {
        const int error = uapi::Card::load();
        uapi::require(error == EEXIST ? 0 : error, "load");
    }
    int attempt() override {
        return ::syscall(SYS_delete_module, "accel", O_NONBLOCK) == 0 ? 0 : errno;
    }
};

using uapi::failure_case;
using uapi::FailureCase;
using uapi::without_comparison;

template <typename T>
FailureCase uncompared(const std::string& name) {
    return without_comparison(failure_case<T>(name));
}

FailureCase bind_case() {
    // The kernel gives EBUSY for a BAR that it has no memory to claim, and EINVAL for a sensor that
    // it has no memory to name.
    return uapi::with_errnos(uncompared<Bind>("bind"), {EBUSY, EINVAL});
}

}  // namespace

namespace uapi {

INSTANTIATE_TEST_SUITE_P(
    File, Failure,
    testing::Values(failure_case<Open>("open"), failure_case<Close>("close with everything"),
                    failure_case<Read>("read fdinfo", Read::Place::fdinfo),
                    failure_case<Read>("read files of sysfs", Read::Place::sysfs),
                    failure_case<Read>("read files of debugfs", Read::Place::debugfs),
                    failure_case<Write>("write settings in sysfs"),
                    failure_case<StopQueue>("stop a queue")),
    test_name);

INSTANTIATE_TEST_SUITE_P(Device, Failure,
                         testing::Values(uncompared<Reset>("reset"), bind_case(),
                                         uncompared<Unbind>("unbind"),
                                         uncompared<Load>("load the module"),
                                         uncompared<Unload>("unload the module")),
                         test_name);

}  // namespace uapi
