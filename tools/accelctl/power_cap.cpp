// SPDX-License-Identifier: Apache-2.0
//
// accelctl power-cap: shows and sets the power limit of a card.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <optional>

#include "commands.hpp"
#include "emulated.hpp"
#include "json.hpp"
#include "status.hpp"

namespace accel::tools {

namespace {

struct CapOptions {
    std::string card;
    std::optional<double> watts;
    bool highest = false;
};

void set_cap(const SystemRoot& root, const Status& status, double watts) {
    const Sensors& sensors = status.sensors;
    if (watts < *sensors.cap_min_watts || watts > *sensors.cap_max_watts) {
        throw Failure(Exit::usage, fmt::format("{:g} W is out of bounds: {} accepts {:g} to {:g} W",
                                               watts, status.card.name(), *sensors.cap_min_watts,
                                               *sensors.cap_max_watts));
    }
    const std::string path = root.real(sensors.folder + "/power1_cap");
    const std::string text = fmt::format("{:.0f}", watts * 1e6);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool written =
        fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    const int error = errno;
    if (fd >= 0) {
        ::close(fd);
    }
    if (!written && (error == EACCES || error == EPERM)) {
        throw Failure(Exit::permission, "setting the power cap is root's",
                      "run: sudo accelctl power-cap ...");
    }
    if (!written) {
        throw Failure(Exit::card,
                      "cannot set the power cap: " + std::generic_category().message(error));
    }
}

Exit power_cap(const Program& program, const CapOptions& options) {
    const SystemRoot root = program.root();
    const Card card = select_card(root, name_or_environment(root, options.card));
    require_real_card(card, "accelctl power-cap");
    Status status = read_status(root, card);
    if (!status.sensors.cap_watts || !status.sensors.cap_min_watts ||
        !status.sensors.cap_max_watts) {
        throw Failure(card.node ? Exit::card : Exit::unsupported,
                      card.name() + " reports no power cap",
                      card.node ? "'accelctl doctor' looks for the reason"
                                : "it has no driver; 'accelctl doctor' looks for the reason");
    }
    if (options.watts || options.highest) {
        set_cap(root, status, options.highest ? *status.sensors.cap_max_watts : *options.watts);
        status = read_status(root, card);
    }
    if (program.json()) {
        program.print_json("accelctl.power-cap/1",
                           {{"address", card.address},
                            {"watts", status.sensors.watts.value_or(0)},
                            {"cap_watts", *status.sensors.cap_watts},
                            {"cap_min_watts", *status.sensors.cap_min_watts},
                            {"cap_max_watts", *status.sensors.cap_max_watts}});
        return Exit::ok;
    }
    std::cout << fmt::format("{}: cap {:g} W ({:g} to {:g}), now {:.1f} W\n", card.name(),
                             *status.sensors.cap_watts, *status.sensors.cap_min_watts,
                             *status.sensors.cap_max_watts, status.sensors.watts.value_or(0));
    return Exit::ok;
}

}  // namespace

void add_power_cap(Program& program) {
    auto [command, options] = add_command<CapOptions>(
        program, "power-cap", "Show or set the power limit of a card", power_cap);
    command.set_footer(
        "A card that reaches its cap lowers its clock. A function reset restores the default cap. "
        "Only root may set it.");
    add_card(command, options->card, only_card);
    command.add_option({.name = "--set", .help = "Set the cap to this power", .value = "WATTS"},
                       options->watts);
    command.add_flag({.name = "--max",
                      .help = "Set the cap to the highest power of the card",
                      .excludes = "--set"},
                     options->highest);
    program.add_json(command);
}

}  // namespace accel::tools
