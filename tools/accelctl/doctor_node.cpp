// SPDX-License-Identifier: Apache-2.0
//
// A card with a driver: whether its node exists and may be opened, and the state of the card.
#include <fmt/core.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "accel/device.hpp"
#include "accel/error.hpp"
#include "doctor.hpp"
#include "status.hpp"
#include "text.hpp"

namespace accel::tools {

namespace {

std::string group_name(gid_t gid) {
    std::array<char, 4096> buffer{};
    group entry{};
    group* found = nullptr;
    return ::getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
               ? std::string(entry.gr_name)
               : std::to_string(gid);
}

std::string own_name() {
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    return ::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
                   found != nullptr
               ? std::string(entry.pw_name)
               : std::to_string(::geteuid());
}

bool in_container(const SystemRoot& root) {
    return root.exists("/.dockerenv") || root.exists("/run/.containerenv") ||
           root.text("/run/systemd/container").has_value();
}

Finding missing_node(const SystemRoot& root, const Card& card, const std::string& number) {
    Finding finding{.id = "node-missing",
                    .severity = Severity::problem,
                    .subject = card.name(),
                    .text = {},
                    .fixes = {}};
    const std::size_t colon = number.find(':');
    if (in_container(root)) {
        finding.text = fmt::format("the driver has the card, but {} is missing in this container",
                                   card.path());
        finding.fixes = {fmt::format("docker run --device {} ...", card.path()),
                         fmt::format("podman run --device {} ...", card.path())};
        return finding;
    }
    finding.text = fmt::format(
        "the driver has the card, but {} is missing: udev or devtmpfs did "
        "not create it",
        card.path());
    finding.fixes = {"udevadm trigger --subsystem-match=accel-card --action=add"};
    if (colon != std::string::npos) {
        finding.fixes.push_back(fmt::format("mknod -m 660 {} c {} {}", card.path(),
                                            number.substr(0, colon), number.substr(colon + 1)));
    }
    return finding;
}

Finding not_permitted(const Card& card, const struct stat& node) {
    const std::string group = group_name(node.st_gid);
    Finding finding{.id = "no-permission",
                    .severity = Severity::problem,
                    .subject = card.name(),
                    .text = {},
                    .fixes = {}};
    finding.text = fmt::format("user {} may not open {}: it belongs to group {} (mode {:04o})",
                               own_name(), card.path(), group, node.st_mode & 07777);
    if (node.st_gid == 0) {
        finding.fixes = {"install -m 644 driver/packaging/70-accel.rules /etc/udev/rules.d/",
                         "groupadd --system accel",
                         "udevadm control --reload && udevadm trigger "
                         "--subsystem-match=accel-card --action=add"};
    }
    finding.fixes.push_back(
        fmt::format("usermod -aG {} {}", node.st_gid == 0 ? "accel" : group, own_name()));
    finding.fixes.emplace_back("log out and in again, as groups are read at login");
    return finding;
}

// False if the node cannot be opened, so that further checks are pointless.
bool diagnose_file(const SystemRoot& root, const Card& card, Findings& findings) {
    const std::string number = root.text(card.folder() + "/dev").value_or("");
    const std::string path = root.real(card.path());
    struct stat node {};
    if (::stat(path.c_str(), &node) != 0) {
        findings.push_back(missing_node(root, card, number));
        return false;
    }
    const std::string actual = fmt::format("{}:{}", major(node.st_rdev), minor(node.st_rdev));
    if (root.own() && (!S_ISCHR(node.st_mode) || actual != number)) {
        findings.push_back(
            {"node-wrong",
             Severity::problem,
             card.name(),
             fmt::format("{} is not the node of this card, whose number is {}", card.path(),
                         number),
             {"rm " + card.path(), "udevadm trigger --subsystem-match=accel-card --action=add"}});
        return false;
    }
    if (::access(path.c_str(), R_OK | W_OK) != 0) {
        findings.push_back(not_permitted(card, node));
        return false;
    }
    findings.push_back(
        {"node", Severity::ok, card.name(), "this user may open " + card.path(), {}});
    return true;
}

// A card that does not run has one finding: nothing else about it can be tried.
bool runs(const Status& status) {
    return status.state == "running" || status.state == "throttled";
}

void diagnose_state(const Status& status, Findings& findings) {
    const std::string name = status.card.name();
    if (status.state == "running") {
        findings.push_back({"state", Severity::ok, name, "is running", {}});
    } else if (status.state == "throttled") {
        findings.push_back({"throttled",
                            Severity::warning,
                            name,
                            "runs with a lowered clock, because of heat or its power cap",
                            {"accelctl power-cap " + name, "sensors"}});
    } else if (status.state == "wedged") {
        findings.push_back(
            {"card-wedged",
             Severity::problem,
             name,
             "the card failed, and no reset by the driver helped: every call fails with "
             "ENOTRECOVERABLE until an administrator brings it back. Try these steps in turn",
             {"accelctl reset " + name, rebind_command(status.card), power_off_step}});
    } else {
        findings.push_back({"card-" + status.state,
                            Severity::problem,
                            name,
                            fmt::format("the card is {}: it runs no jobs", status.state),
                            {"accelctl reset " + name, rebind_command(status.card), power_off_step,
                             "dmesg | grep " + status.card.address}});
    }
    if (status.link.downgraded()) {
        findings.push_back({"link-downgraded",
                            Severity::warning,
                            name,
                            status.link.warning(),
                            {"lsaccel -vv -s " + status.card.address}});
    }
    if (const auto errors = status.aer_total("nonfatal") + status.aer_total("fatal"); errors > 0) {
        findings.push_back({"link-errors",
                            Severity::warning,
                            name,
                            fmt::format("the link had {} uncorrectable errors since boot", errors),
                            {"lsaccel -v -s " + status.card.address}});
    }
}

}  // namespace

namespace {

// The dump that the driver made of a failure.
void diagnose_dumps(const SystemRoot& root, const Card& card, Findings& findings) {
    const std::string dump = card.pci() + "/devcoredump/data";
    if (root.exists(dump)) {
        findings.push_back({"coredump",
                            Severity::warning,
                            card.name(),
                            "the driver made a dump of a failure; the kernel keeps it for five "
                            "minutes",
                            {"accelctl coredump " + dump, "cp " + dump + " card.dump"}});
    }
}

void diagnose_version(const Status& status, Findings& findings) {
    if (status.driver_version && *status.driver_version != ACCEL_VERSION_TEXT) {
        findings.push_back(
            {"driver-version",
             Severity::warning,
             status.card.name(),
             fmt::format(
                 "the driver has version {}, and these tools have version {}: some functions "
                 "may be missing",
                 *status.driver_version, ACCEL_VERSION_TEXT),
             {"modinfo accel", "accel-dkms $(uname -r) && modprobe -r accel && modprobe accel"}});
    }
}

// Opens the card. That all its contexts are in use is no fault of the card.
Finding try_card(const Card& card) {
    try {
        const DeviceInfo info = Device::open(card.path()).info();
        return {"works",
                Severity::ok,
                card.name(),
                fmt::format("answers: {} of device memory, {}", human_bytes(info.memory_size),
                            plural(info.max_queues, "queue")),
                {}};
    } catch (const Error& error) {
        const int number = static_cast<int>(error.errc());
        if (number == ENOSPC || number == EDQUOT) {
            return {"contexts-used",
                    Severity::warning,
                    card.name(),
                    error.what(),
                    {"accelctl top --once " + card.name()}};
        }
        return {"does-not-work",
                Severity::problem,
                card.name(),
                error.what(),
                {"accelctl reset " + card.name()}};
    }
}

}  // namespace

void diagnose_node(const SystemRoot& root, const Card& card, Findings& findings) {
    const bool opens = diagnose_file(root, card, findings);
    const Status status = read_status(root, card);
    diagnose_state(status, findings);
    diagnose_version(status, findings);
    diagnose_dumps(root, card, findings);
    if (opens && root.own() && runs(status)) {
        findings.push_back(try_card(card));
    }
}

void diagnose_limits(const SystemRoot& root, Findings& findings) {
    constexpr rlim_t wanted = rlim_t{64} << 20;
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < wanted && ::geteuid() != 0) {
        findings.push_back(
            {"memlock-small",
             Severity::warning,
             "machine",
             fmt::format("this user may lock {} of memory: registering more memory for the card "
                         "fails",
                         human_bytes(limit.rlim_cur)),
             {fmt::format("echo '{} - memlock unlimited' > /etc/security/limits.d/accel.conf",
                          own_name()),
              "LimitMEMLOCK=infinity            # in a systemd unit",
              "docker run --ulimit memlock=-1   # in a container"}});
    }
    if (const auto disabled = root.number("/proc/sys/kernel/io_uring_disabled");
        disabled && *disabled > 0) {
        findings.push_back(
            {"io-uring-disabled",
             Severity::warning,
             "machine",
             "io_uring is disabled: waits and transfers by io_uring fail, all others work",
             {"sysctl kernel.io_uring_disabled=0"}});
    }
}

}  // namespace accel::tools
