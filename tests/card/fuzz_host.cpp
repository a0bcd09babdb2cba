// SPDX-License-Identifier: Apache-2.0
//
// Plays scripts of random bytes against a card, and checks that the card survives and isolates.
#include "fuzz_host.hpp"

#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>

#include "command_builders.hpp"
#include "fuzz_commands.hpp"
#include "ordering.hpp"

namespace accel::test {

namespace {

constexpr std::uint64_t guard_pages = 16;     // around the pages of a context; the card may not
                                              // access them
constexpr std::uint64_t writable_pages = 16;  // at the start of a context: rings, lists, parameters
constexpr std::uint64_t list_commands = page_size / ACCEL_COMMAND_SIZE;
constexpr std::uint64_t status_words = 32;
constexpr std::uint64_t register_words = 160;
constexpr int max_steps = 200;

// One step of a script; the numbers are part of the fuzzer's inputs.
enum class Action {
    raw_command,
    list_command,
    status_word,
    doorbell,
    reset_queue,
    page_table,
    register_write,
    admin_command,
    command,  // and all numbers above
};
constexpr std::uint64_t action_numbers = 12;

}  // namespace

FuzzHost::FuzzHost(const Control& control)
    : control_(control),
      host_({.device_memory = 8 << 20,
             .host_memory = 8 << 20,
             .queues = queue_count + 1,
             .contexts = 2,
             .vectors = vector_count,
             .ring_entries = ring_length,
             .event_entries = 16}) {
    for (auto& levels : tables_) {
        for (auto& table : levels) {
            table = host_.memory().allocate(page_size);
        }
    }
    const auto guarded = [&] {
        const std::uint64_t start =
            host_.memory().allocate((fuzz_pages + 2 * guard_pages) * page_size);
        for (std::uint64_t i = 0; i < guard_pages; ++i) {
            host_.memory().watch(start + i * page_size);
            host_.memory().watch(start + (guard_pages + fuzz_pages + i) * page_size);
        }
        return start + guard_pages * page_size;
    };
    data_ = guarded();
    bystander_data_ = guarded();
}

// Maps pages of host and device memory, some of them read-only, and a large page.
void FuzzHost::build_tables(std::uint32_t context) {
    HostMemory& memory = host_.memory();
    const auto& table = tables_[context];
    const std::uint64_t data = context == 0 ? data_ : bystander_data_;
    for (const std::uint64_t page : table) {
        std::memset(memory.at(page), 0, page_size);
    }
    const auto set = [&](unsigned level, std::uint64_t address, std::uint64_t value) {
        const std::uint64_t index = (address >> ACCEL_TABLE_SHIFT(level)) % ACCEL_TABLE_ENTRIES;
        (void)memory.write_word(table[level] + index * sizeof value, value);
    };
    for (unsigned level = 1; level < ACCEL_TABLE_LEVELS; ++level) {
        set(level, fuzz_window, table[level - 1] | ACCEL_PTE_VALID);
    }
    constexpr std::uint64_t leaf = ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ;
    // Each context has one half of device memory.
    const std::uint64_t device = context == 0 ? 0 : host_.options().device_memory / 2;
    for (std::uint64_t i = 0; i < fuzz_pages; ++i) {
        const bool in_device = i >= writable_pages && i % 3 == 0;
        const bool writable = i < writable_pages || i % 7 != 0;
        set(0, fuzz_window + i * page_size,
            (in_device ? (device + i * page_size) | ACCEL_PTE_MEMORY : data + i * page_size) |
                leaf | (writable ? std::uint64_t{ACCEL_PTE_WRITE} : 0));
    }
    set(1, fuzz_large_window,
        (device + ACCEL_LARGE_SIZE) | ACCEL_PTE_MEMORY | ACCEL_PTE_WRITE | leaf);
    std::memset(memory.at(data), 0, fuzz_pages * page_size);
}

bool FuzzHost::begin() {
    host_.function_reset();
    if (!host_.wait_ready()) {
        return false;
    }
    for (std::uint32_t context = 0; context < 2; ++context) {
        build_tables(context);
    }
    tail_ = {};
    host_.enable();
    for (std::uint32_t context = 0; context < 2; ++context) {
        const std::uint64_t root = tables_[context][ACCEL_TABLE_LEVELS - 1];
        if (host_.admin(create_context(context, root)) != ACCEL_OK) {
            return false;
        }
    }
    for (std::uint32_t id = 0; id <= queue_count; ++id) {
        if (create(id, id == bystander ? 1 : 0) != ACCEL_OK) {
            return false;
        }
    }
    return true;
}

accel_status FuzzHost::create(std::uint32_t id, std::uint32_t context) {
    const std::uint64_t first_page = id == bystander ? 0 : id * 2;
    return host_.admin(create_queue(id, {.ring = fuzz_window + first_page * page_size,
                                         .status = fuzz_window + (first_page + 1) * page_size,
                                         .context = context,
                                         .entries = ring_length,
                                         .vector = id % vector_count,
                                         .priority = id % ACCEL_PRIORITIES}));
}

accel_command FuzzHost::draw(FuzzScript& script) {
    return draw_command(script, host_.memory().at(data_ + fuzz_params_page * page_size));
}

void FuzzHost::submit(FuzzScript& script, const accel_command& command) {
    const auto id = static_cast<std::uint32_t>(script.below(queue_count));
    const std::uint64_t slot = tail_[id] % ring_length;
    card::move_payload(host_.memory().at(ring(id) + slot * sizeof command), &command,
                       sizeof command);
    card::store_word(host_.memory().at(status_page(id)) + offsetof(accel_queue_status, tail),
                     ++tail_[id]);
    host_.doorbell(id, tail_[id]);
}

// Gives the card a little time to work. Much of what the script asks for never ends.
void FuzzHost::settle() {
    constexpr int looks = 20;
    for (int i = 0; i < looks; ++i) {
        bool idle = true;
        for (std::uint32_t id = 0; id < queue_count; ++id) {
            const std::uint8_t* const page = host_.memory().at(status_page(id));
            const auto state = static_cast<std::uint32_t>(
                card::load_word(page + offsetof(accel_queue_status, state)));
            idle = idle && (card::load_word(page) == tail_[id] || state == ACCEL_QUEUE_ERROR);
        }
        if (idle) {
            return;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(10));
    }
}

void FuzzHost::write_list(FuzzScript& script) {
    const std::uint64_t page = fuzz_first_list_page + script.below(fuzz_list_pages);
    const accel_command command = draw(script);
    const std::uint64_t slot = script.below(list_commands);
    card::move_payload(host_.memory().at(data_ + page * page_size + slot * sizeof command),
                       &command, sizeof command);
}

void FuzzHost::reset_queue(std::uint32_t id) {
    tail_[id] = 0;
    card::store_word(host_.memory().at(status_page(id)) + offsetof(accel_queue_status, tail), 0);
    const accel_admin_command reset = admin_command(ACCEL_ADMIN_RESET_QUEUE, id);
    if (control_.tables) {  // the result may never come
        (void)host_.post_admin(reset);
    } else {
        (void)host_.admin(reset);
    }
}

// Replaces an entry of a page table, or flips one of its bits.
void FuzzHost::write_table(FuzzScript& script) {
    const std::uint64_t table = tables_[0][script.below(ACCEL_TABLE_LEVELS)];
    const std::uint64_t slot =
        table + sizeof(std::uint64_t) * (script.take<std::uint16_t>() % ACCEL_TABLE_ENTRIES);
    std::uint64_t entry = 0;
    (void)host_.memory().read_word(slot, entry);
    entry = script.coin() ? script.take<std::uint64_t>()
                          : entry ^ (std::uint64_t{1} << script.below(64));
    (void)host_.memory().write_word(slot, entry);
}

void FuzzHost::act(FuzzScript& script) {
    const auto id = static_cast<std::uint32_t>(script.below(queue_count));
    switch (static_cast<Action>(script.below(action_numbers))) {
        case Action::raw_command:
            return submit(script, script.take<accel_command>());
        case Action::list_command:
            return write_list(script);
        case Action::status_word:
            return card::store_word(
                host_.memory().at(status_page(id)) + 8 * script.below(status_words),
                script.coin() ? tail_[id] + script.below(20) : script.take<std::uint64_t>());
        case Action::doorbell:
            return host_.doorbell_raw(
                std::uint64_t{script.take<std::uint16_t>()} << script.below(8),
                script.take<std::uint32_t>(), 1U << script.below(4));
        case Action::reset_queue:
            return reset_queue(id);
        case Action::page_table:
            if (control_.tables) {
                write_table(script);
            }
            return;
        case Action::register_write:
            if (control_.registers) {
                host_.write(std::uint64_t{4} * script.below(register_words),
                            script.take<std::uint64_t>(), script.coin() ? 4 : 8);
            }
            return;
        case Action::admin_command:
            if (control_.registers) {
                (void)host_.post_admin(script.take<accel_admin_command>());
            }
            return;
        default:
            return submit(script, draw(script));
    }
}

bool FuzzHost::bystander_works() {
    std::uint8_t* const page = host_.memory().at(bystander_data_ + page_size);
    const accel_command command = nop();
    for (int i = 0; i < 3; ++i) {
        std::uint64_t& tail = tail_[bystander];
        const std::uint64_t slot = bystander_data_ + tail % ring_length * sizeof command;
        card::move_payload(host_.memory().at(slot), &command, sizeof command);
        card::store_word(page + offsetof(accel_queue_status, tail), ++tail);
        host_.doorbell(bystander, tail);
        if (!eventually([&] { return card::load_word(page) == tail; })) {
            return false;
        }
    }
    return true;
}

std::string FuzzHost::run(std::span<const std::uint8_t> bytes) {
    if (!begin()) {
        return "the card does not come back from a reset";
    }
    FuzzScript script(bytes);
    const std::uint64_t trespasses = host_.memory().trespasses();
    for (int steps = 0; !script.over() && steps < max_steps; ++steps) {
        act(script);
        settle();
    }
    if (control_.tables || control_.registers) {
        // The script may have mapped the bystander's pages and the driver's rings: the one promise
        // left is that a reset helps.
        return begin() && bystander_works() ? "" : "the card does not come back from a reset";
    }
    for (std::uint32_t id = 0; id < queue_count; ++id) {
        if (host_.admin(admin_command(ACCEL_ADMIN_DESTROY_QUEUE, id)) != ACCEL_OK) {
            return "the card does not destroy a fuzzed queue";
        }
    }
    if (!bystander_works()) {
        return "the queue of another context stopped";
    }
    if ((host_.read32(ACCEL_REG_STATUS) & ~ACCEL_STATUS_THROTTLED) !=
        (ACCEL_STATUS_READY | ACCEL_STATUS_ENABLED)) {
        return "the card stopped";
    }
    if (host_.memory().trespasses() != trespasses) {
        return "the card accessed memory that no context maps";
    }
    return {};
}

}  // namespace accel::test
