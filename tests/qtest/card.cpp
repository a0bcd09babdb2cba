// SPDX-License-Identifier: Apache-2.0
//
// A minimal driver over the qtest protocol.
#include "card.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <utility>

namespace accel::qtest {
namespace {

constexpr std::uint64_t page = ACCEL_PAGE_SIZE;
constexpr std::uint32_t msix_entry_size = PCI_MSIX_ENTRY_SIZE;

std::vector<std::string> with_card(const std::string& properties, std::vector<std::string> more) {
    std::vector<std::string> arguments = std::move(more);
    arguments.insert(arguments.end(),
                     {"-device", "pcie-root-port,id=socket,bus=pcie.0,addr=1,chassis=1"});
    if (properties != "none") {
        const std::string separator = properties.empty() ? "" : ",";
        arguments.insert(arguments.end(),
                         {"-device", "accel-pci,bus=socket,id=card" + separator + properties});
    }
    return arguments;
}

}  // namespace

Machine::Machine(const std::string& properties, const std::vector<std::string>& more)
    : qemu(with_card(properties, more)), port(qemu, 0, 1), function(qemu, 1, 0) {
    open_config_window(qemu);
    port.set(PCI_PRIMARY_BUS, 0, 1);
    port.set(PCI_SECONDARY_BUS, 1, 1);
    port.set(PCI_SUBORDINATE_BUS, 1, 1);
}

std::uint64_t Machine::allocate(std::uint64_t pages) {
    return std::exchange(next_, next_ + pages * page);
}

Card::Card(Machine& machine) : machine(machine) {
    assign_addresses();
}

void Card::assign_addresses() {
    const PciFunction& port = machine.port;
    port.set(PCI_MEMORY_BASE, registers >> 16, 2);
    port.set(PCI_MEMORY_LIMIT, (doorbells + 0xffffff) >> 16, 2);
    port.set(PCI_PREF_MEMORY_BASE, (memory >> 16) & 0xfff0, 2);
    port.set(PCI_PREF_MEMORY_LIMIT, 0xfff0, 2);
    port.set(PCI_PREF_BASE_UPPER32, memory >> 32, 4);
    port.set(PCI_PREF_LIMIT_UPPER32, memory >> 32, 4);
    port.set_bits(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);

    const PciFunction& card = machine.function;
    card.set_bar_address(ACCEL_BAR_REGISTERS, registers);
    card.set_bar_address(ACCEL_BAR_DOORBELLS, doorbells);
    card.set_bar_address(ACCEL_BAR_MEMORY, memory);
    card.set_bits(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
}

std::uint32_t Card::read32(std::uint64_t offset) {
    return static_cast<std::uint32_t>(machine.qemu.read(registers + offset, 4));
}

std::uint64_t Card::read64(std::uint64_t offset) {
    return machine.qemu.read(registers + offset, 8);
}

void Card::write32(std::uint64_t offset, std::uint32_t value) {
    machine.qemu.write(registers + offset, value, 4);
}

void Card::write64(std::uint64_t offset, std::uint64_t value) {
    machine.qemu.write(registers + offset, value, 8);
}

bool Card::wait_ready() {
    return eventually([&] { return (read32(ACCEL_REG_STATUS) & ACCEL_STATUS_READY) != 0; });
}

bool Card::bring_up() {
    if (!wait_ready()) {
        return false;
    }
    rings_ = {.admin_ring = machine.allocate(1),
              .admin_results = machine.allocate(1),
              .event_ring = machine.allocate(1),
              .admin_entries = admin_entries,
              .event_entries = event_entries};
    admin_tail_ = 0;
    events_seen_ = 0;
    write32(ACCEL_REG_EVENT_HEAD, 0);
    emulated::enable_card(*this, rings_);
    return eventually([&] {
               return (read32(ACCEL_REG_STATUS) & (ACCEL_STATUS_ENABLED | ACCEL_STATUS_FATAL)) != 0;
           }) &&
           (read32(ACCEL_REG_STATUS) & ACCEL_STATUS_ENABLED) != 0;
}

void Card::post(const accel_admin_command& command) {
    const std::uint64_t slot = admin_tail_ % admin_entries;
    machine.store(rings_.admin_ring + slot * sizeof(command), command);
    ++admin_tail_;
    write32(ACCEL_REG_ADMIN_DOORBELL, static_cast<std::uint32_t>(admin_tail_));
}

accel_status Card::execute(const accel_admin_command& command) {
    const std::uint64_t result =
        rings_.admin_results + admin_tail_ % admin_entries * sizeof(accel_admin_result);
    post(command);
    const bool done = eventually([&] {
        return machine.qemu.read(result, 8) == admin_tail_ ||
               (read32(ACCEL_REG_STATUS) & ACCEL_STATUS_FATAL) != 0;
    });
    if (!done || machine.qemu.read(result, 8) != admin_tail_) {
        return ACCEL_INTERNAL;
    }
    return static_cast<accel_status>(machine.load<accel_admin_result>(result).status);
}

void Card::ring_doorbell(std::uint32_t queue, std::uint32_t value) {
    machine.qemu.write(doorbells + std::uint64_t{queue} * ACCEL_DOORBELL_STRIDE, value, 4);
}

std::vector<accel_event> Card::events() {
    std::vector<accel_event> found;
    for (;;) {
        const std::uint64_t slot = events_seen_ % event_entries;
        const auto event =
            machine.load<accel_event>(rings_.event_ring + slot * sizeof(accel_event));
        if (event.sequence != events_seen_ + 1) {
            break;
        }
        found.push_back(event);
        ++events_seen_;
    }
    write32(ACCEL_REG_EVENT_HEAD, static_cast<std::uint32_t>(events_seen_));
    return found;
}

void Card::set_message(std::uint32_t vector, std::uint64_t address, std::uint32_t value) {
    const std::uint64_t entry = ACCEL_MSIX_TABLE + std::uint64_t{vector} * msix_entry_size;
    write32(entry + PCI_MSIX_ENTRY_LOWER_ADDR, static_cast<std::uint32_t>(address));
    write32(entry + PCI_MSIX_ENTRY_UPPER_ADDR, static_cast<std::uint32_t>(address >> 32));
    write32(entry + PCI_MSIX_ENTRY_DATA, value);
    mask_vector(vector, false);
}

void Card::mask_vector(std::uint32_t vector, bool masked) {
    write32(ACCEL_MSIX_TABLE + std::uint64_t{vector} * msix_entry_size + PCI_MSIX_ENTRY_VECTOR_CTRL,
            masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0);
}

bool Card::pending(std::uint32_t vector) {
    return (read64(ACCEL_MSIX_PBA + vector / 64 * 8) >> (vector % 64) & 1) != 0;
}

void Card::enable_messages(bool enabled, bool function_masked) {
    const std::uint32_t at = machine.function.capability(PCI_CAP_ID_MSIX).value() + PCI_MSIX_FLAGS;
    machine.function.clear_bits(at, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
    machine.function.set_bits(
        at, (enabled ? PCI_MSIX_FLAGS_ENABLE : 0) | (function_masked ? PCI_MSIX_FLAGS_MASKALL : 0),
        2);
}

Context::Context(Card& card, std::uint32_t id)
    : card(card), id(id), root(card.machine.allocate(1)) {}

accel_status Context::create() {
    return card.execute(test::create_context(id, root));
}

void Context::map(std::uint64_t address, std::uint64_t entry) {
    Machine& machine = card.machine;
    std::uint64_t table = root;
    for (int level = ACCEL_TABLE_LEVELS - 1; level > 0; --level) {
        const std::uint64_t at =
            table + (address >> ACCEL_TABLE_SHIFT(level)) % ACCEL_TABLE_ENTRIES * 8;
        std::uint64_t next = machine.qemu.read(at, 8);
        if ((next & ACCEL_PTE_VALID) == 0) {
            next = machine.allocate(1) | ACCEL_PTE_VALID;
            machine.qemu.write(at, next, 8);
        }
        table = next & ACCEL_PTE_ADDRESS;
    }
    machine.qemu.write(table + (address >> ACCEL_PAGE_SHIFT) % ACCEL_TABLE_ENTRIES * 8,
                       entry | ACCEL_PTE_VALID | ACCEL_PTE_LEAF, 8);
}

void Context::map_bus(std::uint64_t bus, std::uint64_t pages, std::uint64_t permissions) {
    for (std::uint64_t at = bus; at < bus + pages * page; at += page) {
        map(at, at | permissions);
    }
}

void Context::map_memory(std::uint64_t offset, std::uint64_t pages) {
    for (std::uint64_t at = offset; at < offset + pages * page; at += page) {
        map(memory_base + at, at | ACCEL_PTE_READ | ACCEL_PTE_WRITE | ACCEL_PTE_MEMORY);
    }
}

std::uint64_t Context::allocate(std::uint64_t pages) {
    const std::uint64_t address = card.machine.allocate(pages);
    map_bus(address, pages);
    return address;
}

Queue::Queue(Context& context, std::uint32_t id, std::uint32_t vector)
    : context(context),
      id(id),
      vector(vector),
      status_page(context.allocate(1)),
      ring(context.allocate(1)) {}

accel_status Queue::create() {
    tail_ = 0;
    context.card.machine.store(status_page, accel_queue_status{});
    return context.card.execute(test::create_queue(id, {.ring = ring,
                                                        .status = status_page,
                                                        .context = context.id,
                                                        .entries = entries,
                                                        .vector = vector}));
}

accel_status Queue::destroy() {
    return context.card.execute(test::admin_command(ACCEL_ADMIN_DESTROY_QUEUE, id));
}

std::uint64_t Queue::enqueue(const accel_command& command) {
    Machine& machine = context.card.machine;
    machine.store(ring + tail_ % entries * sizeof(command), command);
    ++tail_;
    machine.qemu.write(status_page + offsetof(accel_queue_status, tail), tail_, 8);
    return tail_;
}

std::uint64_t Queue::submit(const accel_command& command) {
    const std::uint64_t sequence = enqueue(command);
    ring_doorbell();
    return sequence;
}

void Queue::ring_doorbell() {
    context.card.ring_doorbell(id, static_cast<std::uint32_t>(tail_));
}

void Queue::arm(std::uint64_t sequence) {
    context.card.machine.qemu.write(status_page + offsetof(accel_queue_status, arm), sequence, 8);
}

accel_queue_status Queue::state() {
    return context.card.machine.load<accel_queue_status>(status_page);
}

std::uint64_t Queue::completed() {
    return context.card.machine.qemu.read(status_page, 8);
}

bool Queue::wait(std::uint64_t sequence) {
    return eventually(
               [&] { return completed() >= sequence || state().state == ACCEL_QUEUE_ERROR; }) &&
           completed() >= sequence;
}

bool Queue::wait_error() {
    return eventually([&] { return state().state == ACCEL_QUEUE_ERROR; });
}

bool works(Card& card) {
    if (!card.bring_up()) {
        return false;
    }
    Context context(card, 0);
    if (context.create() != ACCEL_OK) {
        return false;
    }
    Queue queue(context, 0);
    if (queue.create() != ACCEL_OK) {
        return false;
    }
    const std::uint64_t to = context.allocate(1);
    return queue.wait(queue.submit(fill(to, 0x5a, 8, 8))) && card.machine.qemu.read(to, 8) == 0x5a;
}

}  // namespace accel::qtest
