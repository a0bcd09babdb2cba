// SPDX-License-Identifier: Apache-2.0
//
// A minimal driver in the place of firmware, driver and CPU: it assigns addresses to the card, and
// drives it as the data sheet says, all through the qtest protocol.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "accel_hw.h"
#include "emulated/bring_up.hpp"
#include "command_builders.hpp"
#include "pci.hpp"
#include "polling.hpp"
#include "qemu.hpp"

namespace accel::qtest {

using test::copy;
using test::eventually;
using test::fill;
using test::nop;
using test::wait_for;

// A machine with a root port, and the card in it unless the properties say "none".
class Machine {
  public:
    explicit Machine(const std::string& properties = "", const std::vector<std::string>& more = {});

    // Allocates zeroed pages of the machine. They are never freed.
    [[nodiscard]] std::uint64_t allocate(std::uint64_t pages);

    template <typename T>
    [[nodiscard]] T load(std::uint64_t address) {
        T value;
        qemu.read(address, std::as_writable_bytes(std::span(&value, 1)));
        return value;
    }
    template <typename T>
    void store(std::uint64_t address, const T& value) {
        qemu.write(address, std::as_bytes(std::span(&value, 1)));
    }

    Qemu qemu;
    PciFunction port;
    PciFunction function;

  private:
    std::uint64_t next_ = 0x1000000;
};

class Card {
  public:
    // Assigns addresses to the BARs, and enables decoding and bus mastering, as firmware does.
    explicit Card(Machine& machine);

    void assign_addresses();

    [[nodiscard]] std::uint32_t read32(std::uint64_t offset);
    [[nodiscard]] std::uint64_t read64(std::uint64_t offset);
    void write32(std::uint64_t offset, std::uint32_t value);
    void write64(std::uint64_t offset, std::uint64_t value);

    [[nodiscard]] bool wait_ready();
    // Waits for READY, and enables the card with empty admin and event queues. True if the card is
    // ENABLED.
    [[nodiscard]] bool bring_up();

    // post() submits an admin command; execute() also waits for its result. ACCEL_INTERNAL means
    // that there was none.
    void post(const accel_admin_command& command);
    [[nodiscard]] accel_status execute(const accel_admin_command& command);

    void ring_doorbell(std::uint32_t queue, std::uint32_t value);
    [[nodiscard]] std::vector<accel_event> events();

    // MSI-X: the message of the vector stores `value` at `address`.
    void set_message(std::uint32_t vector, std::uint64_t address, std::uint32_t value);
    void mask_vector(std::uint32_t vector, bool masked);
    [[nodiscard]] bool pending(std::uint32_t vector);
    void enable_messages(bool enabled, bool function_masked = false);

    Machine& machine;
    static constexpr std::uint64_t registers = 0xe0000000;
    static constexpr std::uint64_t doorbells = 0xe1000000;
    static constexpr std::uint64_t memory = 0x800000000;
    static constexpr std::uint32_t admin_entries = 16;
    static constexpr std::uint32_t event_entries = 64;

  private:
    emulated::AdminRings rings_;
    std::uint64_t admin_tail_ = 0;
    std::uint64_t events_seen_ = 0;
};

// A context. Its addresses below `memory_base` are bus addresses; device memory starts there.
class Context {
  public:
    static constexpr std::uint64_t memory_base = std::uint64_t{1} << 40;

    Context(Card& card, std::uint32_t id);

    [[nodiscard]] accel_status create();
    void map(std::uint64_t address, std::uint64_t entry);
    void map_bus(std::uint64_t bus, std::uint64_t pages,
                 std::uint64_t permissions = ACCEL_PTE_READ | ACCEL_PTE_WRITE);
    void map_memory(std::uint64_t offset, std::uint64_t pages);
    // Allocates zeroed pages of the machine, and maps them.
    [[nodiscard]] std::uint64_t allocate(std::uint64_t pages);

    Card& card;
    const std::uint32_t id;
    const std::uint64_t root;
};

class Queue {
  public:
    static constexpr std::uint32_t entries = 64;

    Queue(Context& context, std::uint32_t id, std::uint32_t vector = 0);

    // Each creation starts with an empty queue.
    [[nodiscard]] accel_status create();
    [[nodiscard]] accel_status destroy();
    // Writes a command into the ring and publishes it; returns its sequence number. submit() rings
    // the doorbell, too.
    std::uint64_t enqueue(const accel_command& command);
    std::uint64_t submit(const accel_command& command);
    void ring_doorbell();
    void arm(std::uint64_t sequence);

    [[nodiscard]] accel_queue_status state();
    [[nodiscard]] std::uint64_t completed();
    // Waits for the command. False if the queue stopped or hangs.
    [[nodiscard]] bool wait(std::uint64_t sequence);
    [[nodiscard]] bool wait_error();

    Context& context;
    const std::uint32_t id;
    const std::uint32_t vector;
    const std::uint64_t status_page;
    const std::uint64_t ring;

  private:
    std::uint64_t tail_ = 0;
};

// Brings the card up. True if a new context and queue execute a command.
[[nodiscard]] bool works(Card& card);

}  // namespace accel::qtest
