// SPDX-License-Identifier: Apache-2.0
//
// Finds the limit or the resource that is used up, from the values that the driver reports.
#include "quota.hpp"

#include <cerrno>
#include <optional>

#include "throw_error.hpp"

namespace accel::detail {

namespace {

bool exceeds(const Usage& usage, std::uint64_t amount) {
    return usage.limit && (usage.used > *usage.limit || amount > *usage.limit - usage.used);
}

std::string in_use(const Usage& usage, const char* unit) {
    return std::to_string(usage.used) + " of " + std::to_string(*usage.limit) + " " + unit +
           " are in use";
}

std::string quota_text(const Usage& usage, const char* unit, const char* file) {
    return "this user's quota of the card is used up (" + in_use(usage, unit) +
           " in all its processes): free some, or raise quota/" + file +
           " of the card in sysfs (/sys/class/accel-card)";
}

// Nothing if none of the values explains the refusal.
std::optional<std::string> reason_text(const DeviceInfo& info, Resource resource,
                                       std::uint64_t amount) {
    const Usage locked{.used = info.locked_bytes, .limit = info.locked_limit};
    switch (resource) {
        case Resource::queues:
            if (exceeds(info.user_queues, amount)) {
                return quota_text(info.user_queues, "queues", "queues");
            }
            break;
        case Resource::device_memory:
            if (exceeds(info.user_device_memory, amount)) {
                return quota_text(info.user_device_memory, "bytes of device memory", "memory");
            }
            break;
        case Resource::registered_memory:
            if (exceeds(locked, amount)) {
                return "the limit on locked memory is reached (" + in_use(locked, "bytes") +
                       "): raise it (ulimit -l, or LimitMEMLOCK= of a systemd unit), or register "
                       "less at a time";
            }
            [[fallthrough]];
        case Resource::host_memory:
            if (exceeds(info.user_host_memory, amount)) {
                return quota_text(info.user_host_memory, "bytes of host memory", "host_memory");
            }
            break;
    }
    return std::nullopt;
}

constexpr const char* find_users = "; 'accelctl top' lists the programs that use the card";

std::optional<std::string> full_text(const DeviceInfo& info, Resource resource,
                                     std::uint64_t amount) {
    if (resource == Resource::queues) {
        return "all " + std::to_string(info.max_queues) +
               " queues of the card are in use: destroy one, or close another program" + find_users;
    }
    if (resource != Resource::device_memory) {
        return std::nullopt;
    }
    if (amount > info.memory_size) {
        return "the card has " + std::to_string(info.memory_size) +
               " bytes of device memory in all: allocate less, or use Placement::host";
    }
    return std::to_string(info.memory_free) + " of the card's " + std::to_string(info.memory_size) +
           " bytes of device memory are free" +
           (amount > info.memory_free ? "" : ", in pieces that are too small") +
           ": free some, or use Placement::host" + find_users;
}

}  // namespace

void throw_refused(const DeviceImpl& device, Resource resource, std::uint64_t amount, int error,
                   const std::string& what) {
    if (error == EDQUOT) {
        throw_over_quota(device, resource, amount, what);
    }
    if (error == ENOSPC) {
        throw_card_full(device, resource, amount, what);
    }
    device.throw_call_error(error, what);
}

void throw_over_quota(const DeviceImpl& device, Resource resource, std::uint64_t amount,
                      const std::string& what) {
    std::optional<std::string> why;
    try {
        why = reason_text(device.query(), resource, amount);
    } catch (const Error&) {
        // The sentence about the errno names all limits.
    }
    if (!why) {
        throw_errno(EDQUOT, what);
    }
    throw Error(static_cast<std::errc>(EDQUOT), what + ": " + *why);
}

void throw_card_full(const DeviceImpl& device, Resource resource, std::uint64_t amount,
                     const std::string& what) {
    std::optional<std::string> why;
    try {
        why = full_text(device.query(), resource, amount);
    } catch (const Error&) {
        // The sentence about the errno names all resources.
    }
    if (!why) {
        throw_errno(ENOSPC, what);
    }
    throw Error(std::errc::no_space_on_device, what + ": " + *why);
}

}  // namespace accel::detail
