// SPDX-License-Identifier: Apache-2.0
//
// One QEMU process without a guest, driven by its qtest and QMP protocols.
//
// The process lives as long as the object. A QEMU that ends by itself, or does not quit when told
// to, fails its test with the text of its standard error.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "polling.hpp"

namespace accel::qtest {

using test::hang_limit;

// Owns a file descriptor.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept;
    Descriptor& operator=(Descriptor&& other) noexcept;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor();

    [[nodiscard]] int get() const { return number_; }

  private:
    int number_ = -1;
};

// Text lines over a socket. Throws if the other end closes it or hangs.
class LineStream {
  public:
    explicit LineStream(Descriptor socket) : socket_(std::move(socket)) {}

    void send(std::string_view line);
    [[nodiscard]] std::string receive();

  private:
    Descriptor socket_;
    std::string buffer_;
};

class Qemu {
  public:
    // Starts qemu-accel with these arguments, after those that each test needs.
    explicit Qemu(const std::vector<std::string>& arguments);
    ~Qemu();
    Qemu(const Qemu&) = delete;
    Qemu& operator=(const Qemu&) = delete;
    Qemu(Qemu&&) = delete;
    Qemu& operator=(Qemu&&) = delete;

    // Accesses to the bus, as a CPU makes them. Sizes are 1, 2, 4 or 8 bytes.
    [[nodiscard]] std::uint64_t read(std::uint64_t address, unsigned int bytes);
    void write(std::uint64_t address, std::uint64_t value, unsigned int bytes);
    void read(std::uint64_t address, std::span<std::byte> data);
    void write(std::uint64_t address, std::span<const std::byte> data);
    void out32(std::uint16_t port, std::uint32_t value);

    // Executes a QMP command, and returns its result. Throws std::runtime_error with the message of
    // QEMU.
    nlohmann::json qmp(const std::string& command,
                       const nlohmann::json& arguments = nlohmann::json::object());
    // Waits for an event, or takes one that was received earlier.
    nlohmann::json wait_event(const std::string& name);

    [[nodiscard]] std::string standard_error() const;

  private:
    std::string qtest(const std::string& request);
    nlohmann::json receive_qmp();
    void stop();

    Descriptor errors_;  // an unnamed file
    pid_t process_ = -1;
    LineStream qtest_{Descriptor{}};
    LineStream qmp_{Descriptor{}};
    std::deque<nlohmann::json> events_;
};

// The result of a program.
struct Outcome {
    int status;  // the exit status, or the negative number of the signal
    std::string standard_error;
};

// Runs a program to its end. Entries of `environment`, NAME=VALUE, replace those of this process.
[[nodiscard]] Outcome run(const std::vector<std::string>& command,
                          const std::vector<std::string>& environment = {});

// The launcher that starts QEMU.
[[nodiscard]] std::string launcher();
// The QEMU that the launcher starts.
[[nodiscard]] std::string program();

// Arguments of each QEMU here: no guest runs, and there are no devices but those that a test adds.
inline constexpr const char* base_arguments[] = {"-accel",   "tcg",  "-S",       "-nodefaults",
                                                 "-display", "none", "-machine", "q35"};

}  // namespace accel::qtest
