// SPDX-License-Identifier: Apache-2.0
//
// A card without a driver. The module may be missing, built for another kernel, not loaded or
// blacklisted, or another driver has the card.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "doctor.hpp"

namespace accel::tools {

namespace {

namespace fs = std::filesystem;

constexpr const char* modules = "/lib/modules";

std::string running_kernel(const SystemRoot& root) {
    return root.text("/proc/sys/kernel/osrelease").value_or("");
}

// The module of a kernel, in any folder.
std::optional<fs::path> find_module(const SystemRoot& root, const std::string& release) {
    std::error_code error;
    const fs::path folder = root.real(fmt::format("{}/{}", modules, release));
    for (fs::recursive_directory_iterator
             entry(folder, fs::directory_options::skip_permission_denied, error),
         end;
         !error && entry != end; entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name == "accel.ko" || name.starts_with("accel.ko.")) {
            // The kernel's own drivers/accel is a folder without a module of this name.
            return entry->path();
        }
    }
    return std::nullopt;
}

std::vector<std::string> kernels_with_module(const SystemRoot& root) {
    std::vector<std::string> kernels;
    for (const std::string& release : root.list(modules)) {
        if (find_module(root, release)) {
            kernels.push_back(release);
        }
    }
    return kernels;
}

std::string content(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The kernel that a module was built for; nothing if the module is compressed.
std::optional<std::string> built_for(const std::string& module) {
    constexpr std::string_view key = "vermagic=";
    const std::size_t at = module.find(key);
    if (at == std::string::npos) {
        return std::nullopt;
    }
    const std::size_t start = at + key.size();
    return module.substr(start, module.find_first_of(" \0", start, 2) - start);
}

bool is_signed(const std::string& module) {
    return module.ends_with("~Module signature appended~\n");
}

// The place of a line "blacklist accel" or "install accel /bin/false", if there is one.
std::optional<std::string> blacklisted_by(const SystemRoot& root) {
    for (const char* folder :
         {"/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d"}) {
        for (const std::string& name : root.list(folder)) {
            const std::string path = fmt::format("{}/{}", folder, name);
            std::istringstream lines(root.text(path).value_or(""));
            std::string line;
            while (std::getline(lines, line)) {
                std::istringstream words(line);
                std::string verb;
                std::string module;
                if (words >> verb >> module && module == "accel" &&
                    (verb == "blacklist" || verb == "install")) {
                    return path;
                }
            }
        }
    }
    if (root.text("/proc/cmdline").value_or("").find("module_blacklist=accel") !=
        std::string::npos) {
        return "the kernel's command line (module_blacklist=)";
    }
    return std::nullopt;
}

bool secure_boot(const SystemRoot& root) {
    for (const std::string& name : root.list("/sys/firmware/efi/efivars")) {
        if (name.starts_with("SecureBoot-")) {
            const std::string value = root.text("/sys/firmware/efi/efivars/" + name).value_or("");
            return !value.empty() && value.back() == '\1';
        }
    }
    return false;
}

// True if the kernel loads only signed modules.
bool signatures_enforced(const SystemRoot& root) {
    const std::string lockdown = root.text("/sys/kernel/security/lockdown").value_or("");
    return secure_boot(root) || root.text("/sys/module/module/parameters/sig_enforce") == "Y" ||
           lockdown.find("[integrity]") != std::string::npos ||
           lockdown.find("[confidentiality]") != std::string::npos;
}

struct KernelRecord {
    std::optional<unsigned> priority;  ///< facility and level
    std::optional<std::string> text;
};

// The last line of the kernel's log that contains both texts. Nothing if the log must not be read.
KernelRecord last_kernel_record(const SystemRoot& root, const std::string& first,
                                const std::string& second) {
    const int fd = ::open(root.real("/dev/kmsg").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    KernelRecord last;
    std::array<char, 8192> record{};
    ssize_t got = 0;
    while (fd >= 0 && (got = ::read(fd, record.data(), record.size())) > 0) {
        std::istringstream text(std::string(record.data(), static_cast<std::size_t>(got)));
        std::string line;
        // The kernel returns one record for each read; a copy in a file returns many lines.
        while (std::getline(text, line)) {
            if (line.find(first) != std::string::npos && line.find(second) != std::string::npos) {
                const std::size_t start = line.find(';');
                last.text = start == std::string::npos ? line : line.substr(start + 1);
                last.priority = parse_number<unsigned>(line.substr(0, line.find(',')));
            }
        }
    }
    if (fd >= 0) {
        ::close(fd);
    }
    return last;
}

std::optional<std::string> last_kernel_message(const SystemRoot& root, const std::string& first,
                                               const std::string& second) {
    return last_kernel_record(root, first, second).text;
}

// A warning or an error that is the last message about the card. The driver's first sentence about
// a card that works is none.
std::optional<std::string> last_complaint(const SystemRoot& root, const std::string& about) {
    constexpr unsigned warning = 4;
    constexpr unsigned levels = 8;
    const auto [level, text] = last_kernel_record(root, about, "");
    return level && *level % levels <= warning ? text : std::nullopt;
}

Finding problem(const std::string& id, const std::string& text, std::vector<std::string> fixes) {
    return {.id = id,
            .severity = Severity::problem,
            .subject = "driver",
            .text = text,
            .fixes = std::move(fixes)};
}

// This kernel has no module.
Finding diagnose_not_installed(const SystemRoot& root, const std::string& release) {
    std::string others;
    for (const std::string& kernel : kernels_with_module(root)) {
        others += (others.empty() ? "" : ", ") + kernel;
    }
    std::vector<std::string> fixes;
    if (others.empty()) {
        fixes.emplace_back("apt-get install ./accel-dkms_*.deb");
    }
    if (!root.exists(fmt::format("{}/{}/build", modules, release))) {
        fixes.push_back("apt-get install linux-headers-" + release);
    }
    if (!others.empty()) {
        fixes.push_back("accel-dkms " + release);
    }
    fixes.emplace_back("modprobe accel");
    if (others.empty()) {
        return problem("module-not-installed", "the module accel is not installed for any kernel",
                       std::move(fixes));
    }
    return problem(
        "module-not-built",
        fmt::format("the module accel is built for {}, but not for the running kernel, {}", others,
                    release),
        std::move(fixes));
}

// The module is not loaded.
Finding diagnose_missing(const SystemRoot& root) {
    const std::string release = running_kernel(root);
    const auto module = find_module(root, release);
    if (!module) {
        return diagnose_not_installed(root, release);
    }
    const std::string bytes = content(*module);
    if (const auto kernel = built_for(bytes); kernel && *kernel != release) {
        return problem(
            "module-wrong-kernel",
            fmt::format("{} was built for kernel {}, but {} is running: it cannot be loaded",
                        module->string(), *kernel, release),
            {"accel-dkms " + release,
             "make -C driver KDIR=/lib/modules/" + release + "/build modules_install",
             "modprobe accel"});
    }
    const auto rejected = last_kernel_message(root, "odule", "accel: Key was rejected");
    const auto unsigned_ = last_kernel_message(root, "Loading of unsigned module", "");
    if (signatures_enforced(root) && (!is_signed(bytes) || rejected || unsigned_)) {
        return problem("secure-boot",
                       fmt::format("the kernel loads only modules with a signature that it trusts "
                                   "(Secure Boot or lockdown), and {} {}",
                                   module->string(),
                                   is_signed(bytes) ? "is signed with a key that it does not know"
                                                    : "has none"),
                       {"accel-dkms " + release + "        # signs it with the key of this machine",
                        "mokutil --import /var/lib/dkms/mok.pub", "reboot, and confirm the key"});
    }
    if (const auto place = blacklisted_by(root)) {
        return problem("module-blacklisted",
                       fmt::format("{} prevents the module accel from loading", *place),
                       {"remove that line, or load the module by hand: modprobe accel",
                        "insmod " + module->string()});
    }
    return problem("module-not-loaded",
                   "the module accel is installed for this kernel, but not loaded",
                   {"modprobe accel"});
}

Finding diagnose_unbound(const SystemRoot& root, const Card& card) {
    const std::string override_ = root.text(card.pci() + "/driver_override").value_or("(null)");
    const std::string pci = "/sys/bus/pci/devices/" + card.address;
    Finding finding{
        .id = {}, .severity = Severity::problem, .subject = card.address, .text = {}, .fixes = {}};
    if (!card.driver.empty()) {
        finding.id = "other-driver";
        finding.text =
            fmt::format("is bound to the driver {}{}", card.driver,
                        card.driver == "vfio-pci" ? ": it is assigned to a virtual machine or to a "
                                                    "user-space driver"
                                                  : "");
        finding.fixes = {fmt::format("echo > {}/driver_override", pci),
                         fmt::format("echo {} > {}/driver/unbind", card.address, pci),
                         fmt::format("echo {} > /sys/bus/pci/drivers_probe", card.address)};
        return finding;
    }
    if (override_ != "(null)" && !override_.empty() && override_ != "accel") {
        finding.id = "driver-override";
        finding.text = fmt::format("is reserved for the driver {} (driver_override)", override_);
        finding.fixes = {fmt::format("echo > {}/driver_override", pci),
                         fmt::format("echo {} > /sys/bus/pci/drivers_probe", card.address)};
        return finding;
    }
    finding.id = "not-bound";
    finding.text =
        "the module is loaded, but not bound to the card: it was unbound, or the card did not "
        "start";
    if (const auto message = last_complaint(root, "accel " + card.address)) {
        finding.text += "; the kernel's message: " + *message;
    }
    finding.fixes = {fmt::format("echo {} > /sys/bus/pci/drivers/accel/bind", card.address),
                     "dmesg | grep " + card.address};
    return finding;
}

}  // namespace

void diagnose_driver(const SystemRoot& root, const std::vector<Card>& cards, Findings& findings) {
    const bool loaded = root.exists("/sys/bus/pci/drivers/accel");
    if (!loaded) {
        findings.push_back(diagnose_missing(root));
    }
    for (const Card& card : cards) {
        if (loaded || !card.driver.empty()) {
            findings.push_back(diagnose_unbound(root, card));
        }
    }
}

}  // namespace accel::tools
