// SPDX-License-Identifier: Apache-2.0
#include "files/output_file.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace accel::files {

namespace fs = std::filesystem;

namespace {

constexpr mode_t mode_of_new_files = 0666;  // the umask applies
constexpr mode_t mode_of_temporaries = 0600;
constexpr mode_t permission_bits = 07777;

// N of a path that means descriptor N of this process.
std::optional<int> own_descriptor(const fs::path& path) {
    const std::string text = path.string();
    if (text == "/dev/stdout") {
        return STDOUT_FILENO;
    }
    if (text == "/dev/stderr") {
        return STDERR_FILENO;
    }
    for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
        if (text.starts_with(folder)) {
            int number = -1;
            const char* const end = text.data() + text.size();
            const auto parsed = std::from_chars(text.data() + folder.size(), end, number);
            if (parsed.ec == std::errc() && parsed.ptr == end && number >= 0) {
                return number;
            }
        }
    }
    return std::nullopt;
}

fs::path folder_of(const fs::path& file) {
    return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

// The links of /proc name open files, and their text may name nothing.
bool in_proc(const fs::path& link) {
    struct statfs system {};
    return ::statfs(folder_of(link).c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

// The regular file, or the missing file, that a chain of links leads to. Nothing if the chain leads
// through a link of /proc. The caller has followed the chain by stat(), so that the kernel has
// refused links that it does not trust.
std::optional<fs::path> follow_links(fs::path path) {
    constexpr int most_links = 40;  // as the kernel
    for (int links = 0; links < most_links; ++links) {
        std::error_code error;
        if (!fs::is_symlink(fs::symlink_status(path, error))) {
            return path;
        }
        if (in_proc(path)) {
            return std::nullopt;
        }
        const fs::path next = fs::read_symlink(path, error);
        if (error) {
            return path;
        }
        path = folder_of(path) / next;  // an absolute path replaces the folder
    }
    return path;
}

// A name beside the target that no other writer uses.
fs::path temporary_name(const fs::path& target) {
    constexpr std::size_t longest = 200;  // leaves room for the rest in the 255 bytes of a name
    constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuv";
    std::array<std::uint8_t, 12> random{};
    // A shorter answer cannot occur for so few bytes; O_EXCL would notice a name in use.
    static_cast<void>(::getrandom(random.data(), random.size(), 0));
    std::string name = "." + target.filename().string().substr(0, longest) + ".";
    for (const std::uint8_t value : random) {
        name += digits[value % digits.size()];
    }
    return folder_of(target) / name;
}

std::string cause(int error, const fs::path& target) {
    const std::string folder = folder_of(target).string();
    std::error_code ignored;
    switch (error) {
        case ENOENT:
            return fs::exists(folder, ignored) ? "the name is empty or a link leads nowhere"
                                               : "there is no folder " + folder;
        case ENOTDIR:
            return folder + " is no folder";
        case EISDIR:
            return "it is a folder; add the name of a file";
        case EACCES:
        case EPERM:
            return ::access(target.c_str(), F_OK) == 0 && ::access(target.c_str(), W_OK) != 0
                       ? "you are not permitted to write to it"
                       : "you are not permitted to create or replace files in " + folder;
        case EROFS:
            return "the file system of " + folder + " is read-only";
        case ENOSPC:
            return "the file system of " + folder + " has no space left";
        default:
            return std::generic_category().message(error);
    }
}

}  // namespace

OutputFile::OutputFile(fs::path path) : path_(std::move(path)) {
    struct stat info {};
    const bool found = ::stat(path_.c_str(), &info) == 0;
    if (!found && errno != ENOENT) {
        fail(errno);
    }
    if (path_.empty()) {
        fail(ENOENT);
    }
    if (found ? S_ISDIR(info.st_mode) : !path_.has_filename()) {
        fail(EISDIR);
    }
    if (own_descriptor(path_) || (found && !S_ISREG(info.st_mode))) {
        return;
    }
    const auto target = follow_links(path_);
    if (!target) {
        return;
    }
    target_ = *target;
    exists_ = found;
    // rename() would replace a file that is protected against writing.
    if (exists_ && ::faccessat(AT_FDCWD, target_.c_str(), W_OK, AT_EACCESS) != 0) {
        fail(errno);
    }
    open_temporary();
    if (exists_) {
        // The owner stays if the caller is root, and the group if the caller belongs to it. A
        // change of the owner clears bits of the mode, so the mode is last.
        if (::fchown(fd_, info.st_uid, info.st_gid) != 0 &&
            ::fchown(fd_, static_cast<uid_t>(-1), info.st_gid) != 0) {
            info.st_mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID);
        }
        if (::fchmod(fd_, info.st_mode & permission_bits) != 0) {
            fail(errno);
        }
    }
}

OutputFile::~OutputFile() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
    if (!temporary_.empty()) {
        ::unlink(temporary_.c_str());
    }
}

void OutputFile::fail(int error) const {
    throw OutputError(error, "cannot write " + (path_.empty() ? "''" : path_.string()) + ": " +
                                 cause(error, target_.empty() ? path_ : target_));
}

// A file without a name needs no cleaning up when the program is killed. Not every file system has
// them, and without /proc none can get a name.
void OutputFile::open_temporary() {
    const mode_t mode = exists_ ? mode_of_temporaries : mode_of_new_files;
    if (::access("/proc/self/fd", X_OK) == 0) {
        fd_ = ::open(folder_of(target_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
        if (fd_ >= 0) {
            return;
        }
    }
    fs::path name = temporary_name(target_);
    fd_ = ::open(name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd_ < 0) {
        fail(errno);
    }
    temporary_ = std::move(name);
}

void OutputFile::open_directly() {
    if (const auto number = own_descriptor(path_)) {
        // A second open() of a file would begin at its start, and overwrite what is there.
        fd_ = ::fcntl(*number, F_DUPFD_CLOEXEC, 0);
    } else {
        fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_TRUNC);
    }
    if (fd_ < 0) {
        fail(errno);
    }
}

void OutputFile::write(std::span<const std::byte> bytes) {
    if (fd_ < 0) {
        open_directly();
    }
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR) {
            fail(errno);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(written < 0 ? 0 : written));
    }
}

void OutputFile::name_temporary() {
    const std::string open_file = "/proc/self/fd/" + std::to_string(fd_);
    fs::path name = temporary_name(target_);
    if (::linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        fail(errno);
    }
    temporary_ = std::move(name);
}

void OutputFile::commit() {
    if (target_.empty()) {
        if (fd_ < 0) {
            open_directly();
        }
        const int closed = ::close(std::exchange(fd_, -1));
        if (closed != 0) {
            fail(errno);
        }
        return;
    }
    // Some file systems report a full disk only here; and after a power failure a renamed file
    // could be empty.
    if (::fdatasync(fd_) != 0) {
        fail(errno);
    }
    if (temporary_.empty()) {
        name_temporary();
    }
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
        fail(errno);
    }
    temporary_.clear();
    ::close(std::exchange(fd_, -1));
}

bool OutputFile::is_standard_output(const fs::path& path) {
    return own_descriptor(path) == STDOUT_FILENO;
}

void write_output(const fs::path& path, std::span<const std::byte> bytes) {
    OutputFile file(path);
    file.write(bytes);
    file.commit();
}

}  // namespace accel::files
