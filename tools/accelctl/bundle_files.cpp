// SPDX-License-Identifier: Apache-2.0
#include "bundle_files.hpp"

#include <fmt/core.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <sstream>

#include "card.hpp"

namespace accel::tools {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_bytes = 1 << 20;  // of a file

// Attributes that act when they are read or written, that are memory of the card, or that hold data
// of users (the content of a dump).
bool excluded(const std::string& name) {
    static constexpr std::array<std::string_view, 8> names{
        "rom", "vpd", "remove", "rescan", "reset", "data", "stop_queue", "failing_device"};
    return name.starts_with("resource") ? name != "resource"
                                        : std::ranges::find(names, name) != names.end();
}

// The bytes of a file, also of a binary one. Nothing if it cannot be read.
std::optional<std::string> read_raw(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0) {
        return std::nullopt;
    }
    std::string text;
    std::array<char, 4096> piece{};
    ssize_t got = 0;
    while (text.size() < most_bytes && (got = ::read(fd, piece.data(), piece.size())) > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    ::close(fd);
    return got < 0 ? std::nullopt : std::optional(text);
}

// Paths in the archive have no slash at the beginning.
void add_one(const SystemRoot& root, const std::string& path, BundleArchive& archive) {
    std::error_code error;
    const fs::path real = root.real(path);
    const fs::file_status status = fs::symlink_status(real, error);
    if (fs::is_symlink(status)) {
        archive.add_link(path.substr(1), fs::read_symlink(real, error).string());
    } else if (fs::is_regular_file(status)) {
        if (const auto content = read_raw(real)) {
            archive.add_file(path.substr(1), *content);
        }
    } else if (fs::is_directory(status)) {
        archive.add_folder(path.substr(1));
    }
}

void add_tree(const SystemRoot& root, const std::string& path, BundleArchive& archive) {
    std::error_code error;
    for (const std::string& name : root.list(path)) {
        const std::string child = fmt::format("{}/{}", path, name);
        if (excluded(name)) {
            continue;
        }
        if (fs::is_directory(fs::symlink_status(root.real(child), error))) {
            add_tree(root, child, archive);
        } else {
            add_one(root, child, archive);
        }
    }
}

// The folder of a PCI function below /sys/devices, from its link.
std::optional<std::string> device_folder(const SystemRoot& root, const std::string& address) {
    const auto target = root.target("/sys/bus/pci/devices/" + address);
    if (!target) {
        return std::nullopt;
    }
    return fs::path("/sys/bus/pci/devices/" + *target).lexically_normal().string();
}

void add_card(const SystemRoot& root, const Card& card, BundleArchive& archive) {
    const auto folder = device_folder(root, card.address);
    if (!folder) {
        return;
    }
    add_one(root, card.pci(), archive);
    add_tree(root, *folder, archive);
    if (card.node) {
        add_one(root, "/sys/class/accel-card/" + card.name(), archive);
        if (root.exists(card.path())) {
            archive.add_file(card.path().substr(1), "");  // a device node is no file
        }
    }
    // The tools follow this link, so its target must be there.
    if (const auto group = root.link(card.pci() + "/iommu_group")) {
        archive.add_folder("sys/kernel/iommu_groups/" + *group);
    }
    // The ports above: the folders on the way to the card.
    for (fs::path above = fs::path(*folder).parent_path(); full_address(above.filename().string());
         above = above.parent_path()) {
        add_one(root, "/sys/bus/pci/devices/" + above.filename().string(), archive);
        for (const std::string& name : root.list(above.string())) {
            std::error_code error;
            const std::string child = above.string() + "/" + name;
            if (!excluded(name) &&
                fs::is_regular_file(fs::symlink_status(root.real(child), error))) {
                add_one(root, child, archive);
            }
        }
    }
}

// The words of the kernel's command line that concern the cards. Others may be secrets.
std::string command_line(const SystemRoot& root) {
    std::istringstream words(root.text("/proc/cmdline").value_or(""));
    std::string kept;
    std::string word;
    while (words >> word) {
        for (const char* about : {"accel", "iommu", "pci", "vfio", "swiotlb", "modprobe"}) {
            if (word.find(about) != std::string::npos) {
                kept += (kept.empty() ? "" : " ") + word;
                break;
            }
        }
    }
    return kept + "\n";
}

}  // namespace

void add_system_files(const SystemRoot& root, BundleArchive& archive) {
    for (const char* folder : {"sys/bus/pci/devices", "sys/class/accel-card"}) {
        archive.add_folder(folder);
    }
    for (const Card& card : find_cards(root)) {
        add_card(root, card, archive);
    }
    if (root.exists("/sys/bus/pci/drivers/accel")) {
        archive.add_folder("sys/bus/pci/drivers/accel");
    }
    add_tree(root, "/sys/module/accel/parameters", archive);
    for (const char* path :
         {"/sys/module/accel/version", "/sys/module/accel/srcversion", "/sys/module/accel/taint",
          "/proc/sys/kernel/osrelease", "/proc/version", "/etc/os-release",
          "/etc/modprobe.d/accel.conf", "/sys/kernel/security/lockdown"}) {
        add_one(root, path, archive);
    }
    archive.add_file("proc/cmdline", command_line(root));
}

bool add_kernel_log(const SystemRoot& root, BundleArchive& archive) {
    const int fd = ::open(root.real("/dev/kmsg").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    std::vector<std::string> about{"accel ", "accel:", "accel_"};
    for (const Card& card : find_cards(root)) {
        about.push_back(card.address);
    }
    std::string kept;
    std::array<char, 8192> record{};
    ssize_t got = 0;
    // EPIPE: the kernel has overwritten records meanwhile; the next read continues.
    while ((got = ::read(fd, record.data(), record.size())) > 0 || (got < 0 && errno == EPIPE)) {
        std::istringstream lines(std::string(record.data(), static_cast<std::size_t>(got)));
        std::string line;
        while (got > 0 && std::getline(lines, line)) {
            if (std::ranges::any_of(about, [&](const std::string& word) {
                    return line.find(word) != std::string::npos;
                })) {
                kept += line + "\n";
            }
        }
    }
    ::close(fd);
    archive.add_file("dev/kmsg", kept);
    return true;
}

}  // namespace accel::tools
