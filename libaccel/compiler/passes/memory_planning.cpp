// SPDX-License-Identifier: Apache-2.0
#include "passes/memory_planning.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <ostream>

namespace accel::compiler {

namespace {

constexpr std::uint64_t alignment = 64;

std::uint64_t align_up(std::uint64_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
}

// Lifetimes are looked up by intervals of commands.
constexpr std::size_t max_intervals = 1024;

// The commands from the first to the last use of a group of merged slots, and the memory of the
// group.
struct Lifetime {
    int first = -1;
    int last = -1;
    std::uint64_t bytes = 0;
    std::uint64_t offset = 0;
};

// Lifetimes that have an offset. A model has tens of thousands of them, and few at one time.
class PlacedLifetimes {
  public:
    /// `last`: the highest number of a command.
    explicit PlacedLifetimes(int last)
        : commands_(static_cast<std::size_t>(last) / max_intervals + 1),
          intervals_(static_cast<std::size_t>(last) / commands_ + 1) {}

    void add(const Lifetime& lifetime) {
        for (std::size_t i = interval(lifetime.first); i <= interval(lifetime.last); ++i) {
            intervals_[i].push_back(&lifetime);
        }
    }

    /// Those that overlap this one, by their offsets.
    std::vector<const Lifetime*> overlapping(const Lifetime& lifetime) const {
        std::vector<const Lifetime*> found;
        for (std::size_t i = interval(lifetime.first); i <= interval(lifetime.last); ++i) {
            for (const Lifetime* const other : intervals_[i]) {
                const bool seen_before = i > interval(lifetime.first) && interval(other->first) < i;
                if (!seen_before && other->first <= lifetime.last &&
                    lifetime.first <= other->last) {
                    found.push_back(other);
                }
            }
        }
        std::ranges::stable_sort(found, {}, &Lifetime::offset);
        return found;
    }

  private:
    [[nodiscard]] std::size_t interval(int command) const {
        return static_cast<std::size_t>(command) / commands_;
    }

    std::size_t commands_;  // of an interval
    std::vector<std::vector<const Lifetime*>> intervals_;
};

class MemoryPlanner {
  public:
    explicit MemoryPlanner(CommandPlan& plan)
        : plan_(plan), parent_(plan.slots.size()), lifetimes_(plan.slots.size()) {
        std::iota(parent_.begin(), parent_.end(), 0);
    }

    MemoryUse run(std::ostream* log) {
        MemoryUse use;
        find_lifetimes();
        extend_over_loops();
        for (const BufferSlot& slot : plan_.slots) {
            use.activations += slot.kind == BufferSlot::Kind::scratch ? slot.bytes : 0;
        }
        merge_assignments();
        merge_in_place();
        drop_merged_copies();
        use.peak = assign_scratch();
        use.weights = assign_weights();
        if (log != nullptr) {
            *log << "  " << use.weights << " bytes of weights, " << use.activations
                 << " bytes of activations in " << use.peak << " bytes (" << 100 * use.ratio()
                 << " %)\n";
        }
        return use;
    }

  private:
    [[nodiscard]] bool is_scratch(int slot) const {
        return slot >= 0 &&
               plan_.slots[static_cast<std::size_t>(slot)].kind == BufferSlot::Kind::scratch;
    }

    // The slot in memory that a reference is to. A slice is a part of its base.
    [[nodiscard]] int memory_of(int slot) const {
        while (slot >= 0 &&
               plan_.slots[static_cast<std::size_t>(slot)].kind == BufferSlot::Kind::slice) {
            slot = plan_.slots[static_cast<std::size_t>(slot)].base;
        }
        return slot;
    }

    void find_lifetimes() {
        last_command_ = static_cast<int>(plan_.commands.size());
        const auto touch = [&](int named, int command) {
            const int slot = memory_of(named);
            if (is_scratch(slot)) {
                Lifetime& lifetime = lifetimes_[static_cast<std::size_t>(slot)];
                lifetime.first = lifetime.first < 0 ? command : lifetime.first;
                lifetime.last = command;
                lifetime.bytes = plan_.slots[static_cast<std::size_t>(slot)].bytes;
            }
        };
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            for (const BufferRef& source : plan_.commands[i].src) {
                touch(source.slot, static_cast<int>(i));
            }
            touch(plan_.commands[i].dst.slot, static_cast<int>(i));
        }
    }

    // The commands of a loop run again: values from before it live until its end, and values that
    // are read behind it live from its begin on.
    void extend_over_loops() {
        std::vector<int> open;
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            if (begins_region(plan_.commands[i].command)) {
                open.push_back(static_cast<int>(i));
            } else if (ends_region(plan_.commands[i].command)) {
                const int begin = open.back();
                open.pop_back();
                if (std::holds_alternative<Loop>(
                        plan_.commands[static_cast<std::size_t>(begin)].command)) {
                    extend_over(begin, static_cast<int>(i));
                }
            }
        }
    }

    void extend_over(int begin, int end) {
        for (Lifetime& lifetime : lifetimes_) {
            const bool begins_before = lifetime.first <= begin;
            if (lifetime.first < 0 || lifetime.last < begin || lifetime.first > end ||
                (!begins_before && lifetime.last <= end)) {
                continue;
            }
            lifetime.first = std::min(lifetime.first, begin);
            lifetime.last = std::max(lifetime.last, end);
        }
    }

    // Whether a command, other than in its own place, touches the memory of a group.
    [[nodiscard]] bool touches(const CommandTemplate& command, std::size_t root) {
        const auto in_group = [&](const BufferRef& ref) {
            const int slot = memory_of(ref.slot);
            return is_scratch(slot) && find_root(slot) == root;
        };
        return in_group(command.dst) || std::ranges::any_of(command.src, in_group);
    }

    // The end of a pass copies the next value of a state to the state. If nothing reads the state
    // from the command that computes the next value on, that command can write it in place.
    void merge_assignments() {
        dropped_.assign(plan_.commands.size(), false);
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            const CommandTemplate& copy = plan_.commands[i];
            if (!copy.assign || !copy.in_place[0] || !is_scratch(copy.src[0].slot) ||
                !is_scratch(copy.dst.slot) || copy.src[0].offset != copy.dst.offset) {
                continue;
            }
            const std::size_t next = find_root(copy.src[0].slot);
            const std::size_t state = find_root(copy.dst.slot);
            const Lifetime& life = lifetimes_[next];
            if (next == state || life.last != static_cast<int>(i) || life.first < 0 ||
                lifetimes_[next].bytes > lifetimes_[state].bytes ||
                !can_compute_in_place(static_cast<std::size_t>(life.first), i, state)) {
                continue;
            }
            parent_[next] = state;
            // The result of a branch has no value before its first assignment.
            lifetimes_[state].first = std::min(lifetimes_[state].first, life.first);
            dropped_[i] = true;
        }
    }

    // Whether commands [first, last) can write the memory of a state instead of their own.
    [[nodiscard]] bool can_compute_in_place(std::size_t first, std::size_t last,
                                            std::size_t state) {
        int depth = 0;  // of regions that began or ended in between
        for (std::size_t c = first; c < last; ++c) {
            const CommandTemplate& command = plan_.commands[c];
            depth += begins_region(command.command) ? 1 : 0;
            depth -= ends_region(command.command) ? 1 : 0;
            if (depth < 0) {
                return false;  // the next value is computed in a branch or an inner loop
            }
            if (c != first ? touches(command, state)
                           : reads_in_other_layout(command, state) ||
                                 memory_of(command.dst.slot) != command.dst.slot) {
                return false;
            }
        }
        return depth == 0;
    }

    // The slot that stands for the group of this slot: union-find, path halving.
    [[nodiscard]] std::size_t find_root(int slot) {
        auto at = static_cast<std::size_t>(slot);
        while (parent_[at] != at) {
            at = parent_[at] = parent_[parent_[at]];
        }
        return at;
    }

    // Whether the command reads the memory of `root_slot` in another layout than that of the
    // result. Then the result would overwrite elements before the command reads them.
    [[nodiscard]] bool reads_in_other_layout(const CommandTemplate& command,
                                             std::size_t root_slot) {
        for (std::size_t s = 0; s < command.src.size(); ++s) {
            const int slot = memory_of(command.src.at(s).slot);
            if (is_scratch(slot) && find_root(slot) == root_slot && !command.in_place.at(s)) {
                return true;
            }
        }
        return false;
    }

    // Merges the slot of a result with the slot of a source if the command that first writes the
    // result is the last to read the source, and both have the same layout.
    void merge_in_place() {
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            CommandTemplate& command = plan_.commands[i];
            if (dropped_[i]) {
                continue;
            }
            const int now = static_cast<int>(i);
            for (std::size_t s = 0; s < command.src.size(); ++s) {
                if (!command.in_place.at(s) || !is_scratch(command.src.at(s).slot) ||
                    !is_scratch(command.dst.slot)) {
                    continue;
                }
                const std::size_t from = find_root(command.src.at(s).slot);
                const std::size_t to = find_root(command.dst.slot);
                if (from == to || lifetimes_[from].last != now || lifetimes_[to].first != now ||
                    command.src.at(s).offset != command.dst.offset ||
                    reads_in_other_layout(command, from)) {
                    continue;
                }
                parent_[to] = from;
                lifetimes_[from].last = lifetimes_[to].last;
                lifetimes_[from].bytes = std::max(lifetimes_[from].bytes, lifetimes_[to].bytes);
                dropped_[i] = dropped_[i] || command.copy;  // a copy onto itself does nothing
                break;
            }
        }
    }

    void drop_merged_copies() {
        // Lifetimes keep the old numbers of commands: only their order matters.
        std::vector<CommandTemplate> kept;
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            if (!dropped_[i]) {
                kept.push_back(std::move(plan_.commands[i]));
            }
        }
        plan_.commands = std::move(kept);
    }

    // Largest first: each slot gets the lowest offset that is free during its lifetime.
    std::uint64_t assign_scratch() {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < lifetimes_.size(); ++i) {
            if (parent_[i] == i && lifetimes_[i].first >= 0) {
                order.push_back(i);
            }
        }
        std::ranges::stable_sort(order, std::greater<>(),
                                 [&](std::size_t i) { return lifetimes_[i].bytes; });
        std::uint64_t peak = 0;
        PlacedLifetimes placed(last_command_);
        for (const std::size_t i : order) {
            Lifetime& lifetime = lifetimes_[i];
            for (const Lifetime* other : placed.overlapping(lifetime)) {
                if (lifetime.offset + align_up(lifetime.bytes) <= other->offset) {
                    break;
                }
                lifetime.offset = std::max(lifetime.offset, other->offset + align_up(other->bytes));
            }
            peak = std::max(peak, lifetime.offset + align_up(lifetime.bytes));
            placed.add(lifetime);
        }
        for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
            if (is_scratch(static_cast<int>(i))) {
                plan_.slots[i].offset = lifetimes_[find_root(static_cast<int>(i))].offset;
            }
        }
        return peak;
    }

    // Stores each constant once, and only constants that a command reads.
    std::uint64_t assign_weights() {
        std::vector<bool> used(plan_.slots.size());
        for (const CommandTemplate& command : plan_.commands) {
            for (const BufferRef& source : command.src) {
                if (source.slot >= 0) {  // slices of weights have a SET_ARGUMENT with their base
                    used[static_cast<std::size_t>(source.slot)] = true;
                }
            }
        }
        std::uint64_t end = 0;
        std::map<const void*, std::uint64_t> known;
        for (std::size_t i = 0; i < plan_.slots.size(); ++i) {
            BufferSlot& slot = plan_.slots[i];
            if (slot.kind != BufferSlot::Kind::weights) {
                continue;
            }
            if (!used[i]) {
                slot.data = nullptr;
                continue;
            }
            const auto [at, fresh] = known.try_emplace(slot.data->data.identity(), end);
            slot.offset = at->second;
            end += fresh ? align_up(slot.bytes) : 0;
        }
        return end;
    }

    CommandPlan& plan_;
    std::vector<std::size_t> parent_;
    std::vector<Lifetime> lifetimes_;
    int last_command_ = 0;
    std::vector<bool> dropped_;  // copies of a value onto itself
};

}  // namespace

MemoryUse plan_memory(CommandPlan& plan, std::ostream* log) {
    return MemoryPlanner(plan).run(log);
}

}  // namespace accel::compiler
