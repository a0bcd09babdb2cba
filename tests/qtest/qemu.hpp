// SPDX-License-Identifier: Apache-2.0
//
// One QEMU process without a guest, driven by its qtest and QMP protocols.
//
// It lives as long as the object. A QEMU that ended by itself, or does not end when told to, fails
// the test that used it, with what it said.
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

// A file descriptor that is closed with its owner.
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

// Text lines over a socket. Throws when the other end is gone or silent for too long.
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
    // Starts qemu-accel with these arguments after those that every test needs.
    explicit Qemu(const std::vector<std::string>& arguments);
    ~Qemu();
    Qemu(const Qemu&) = delete;
    Qemu& operator=(const Qemu&) = delete;
    Qemu(Qemu&&) = delete;
    Qemu& operator=(Qemu&&) = delete;

    // The bus as a CPU sees it. Sizes are 1, 2, 4 or 8 bytes.
    [[nodiscard]] std::uint64_t read(std::uint64_t address, unsigned int bytes);
    void write(std::uint64_t address, std::uint64_t value, unsigned int bytes);
    void read(std::uint64_t address, std::span<std::byte> data);
    void write(std::uint64_t address, std::span<const std::byte> data);
    void out32(std::uint16_t port, std::uint32_t value);

    // Executes a QMP command and returns what it returns; throws std::runtime_error with QEMU's
    // words.
    nlohmann::json qmp(const std::string& command,
                       const nlohmann::json& arguments = nlohmann::json::object());
    // Waits for an event, one that came earlier included.
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

// What became of a program that is expected to end by itself.
struct Outcome {
    int status;  // of exit, or minus the signal
    std::string standard_error;
};

// Runs a program to its end. `environment` entries, NAME=VALUE, are added to ours.
[[nodiscard]] Outcome run(const std::vector<std::string>& command,
                          const std::vector<std::string>& environment = {});

// The launcher that every test starts QEMU by.
[[nodiscard]] std::string launcher();
// The QEMU that the launcher then starts.
[[nodiscard]] std::string program();

}  // namespace accel::qtest
