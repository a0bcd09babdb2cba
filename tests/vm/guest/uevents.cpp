// SPDX-License-Identifier: Apache-2.0
//
// The uevents of the kernel, from its netlink socket.
#include "uevents.hpp"

#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

namespace uapi {

Uevents::Uevents()
    : socket_(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT)) {
    require(socket_.get() >= 0 ? 0 : errno, "a socket for uevents");
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = 1;
    require(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0
                ? 0
                : errno,
            "bind");
}

std::optional<Uevents::Properties> Uevents::receive() {
    std::array<char, 8192> bytes{};
    const ssize_t count = ::recv(socket_.get(), bytes.data(), bytes.size() - 1, MSG_DONTWAIT);
    if (count <= 0) {
        return std::nullopt;
    }
    Properties properties;
    for (ssize_t at = 0; at < count;) {
        const std::string text(bytes.data() + at);
        const std::size_t equals = text.find('=');
        if (equals != std::string::npos) {
            properties[text.substr(0, equals)] = text.substr(equals + 1);
        }
        at += static_cast<ssize_t>(text.size()) + 1;
    }
    return properties;
}

Uevents::Properties Uevents::await(const std::string& key) {
    Properties found;
    uapi::await(("a uevent with " + key).c_str(), [&] {
        while (auto next = receive()) {
            if (next->contains(key)) {
                found = *next;
                return true;
            }
        }
        return false;
    });
    return found;
}

}  // namespace uapi
