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
    MemoryPlanner(CommandPlan& plan, PlacedWeights* placed)
        : plan_(plan), placed_(placed), parent_(plan.slots.size()), lifetimes_(plan.slots.size()) {
        std::iota(parent_.begin(), parent_.end(), 0);
    }

    MemoryUse run(std::ostream* log) {
        MemoryUse use;
        find_lifetimes();
        for (const BufferSlot& slot : plan_.slots) {
            use.activations += slot.kind == BufferSlot::Kind::scratch ? slot.bytes : 0;
        }
        merge_in_place();
        use.peak = assign_scratch();
        assign_weights(use);
        if (log != nullptr) {
            *log << "  " << use.weights << " bytes of weights, " << use.shape_weights
                 << " bytes of weights of this shape, " << use.activations
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

    void find_lifetimes() {
        last_command_ = static_cast<int>(plan_.commands.size());
        const auto touch = [&](int slot, int command) {
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
            const int slot = command.src.at(s).slot;
            if (is_scratch(slot) && find_root(slot) == root_slot && !command.in_place.at(s)) {
                return true;
            }
        }
        return false;
    }

    // Merges the slot of a result with the slot of a source if the command that first writes the
    // result is the last to read the source, and both have the same layout.
    void merge_in_place() {
        std::vector<bool> dropped(plan_.commands.size());
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            CommandTemplate& command = plan_.commands[i];
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
                dropped[i] = command.copy;  // a copy onto itself does nothing
                break;
            }
        }
        // Lifetimes keep the old numbers of commands: only their order matters.
        std::vector<CommandTemplate> kept;
        for (std::size_t i = 0; i < plan_.commands.size(); ++i) {
            if (!dropped[i]) {
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

    // Stores each constant once, and only constants that a command reads. Those that are not on the
    // card yet are weights of this shape if the card has others.
    void assign_weights(MemoryUse& use) {
        std::vector<bool> used(plan_.slots.size());
        for (const CommandTemplate& command : plan_.commands) {
            for (const BufferRef& source : command.src) {
                if (source.slot >= 0) {
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
            if (placed_ != nullptr) {
                if (const auto offset = placed_->find(slot.data->data)) {
                    slot.offset = *offset;
                    slot.data = nullptr;
                    continue;
                }
                slot.kind = BufferSlot::Kind::shape_weights;
                plan_.has_shape_weights = true;
            }
            const auto [at, fresh] = known.try_emplace(slot.data->data.identity(), end);
            slot.offset = at->second;
            end += fresh ? align_up(slot.bytes) : 0;
        }
        (placed_ != nullptr ? use.shape_weights : use.weights) = end;
    }

    CommandPlan& plan_;
    PlacedWeights* placed_;
    std::vector<std::size_t> parent_;
    std::vector<Lifetime> lifetimes_;
    int last_command_ = 0;
};

}  // namespace

MemoryUse plan_memory(CommandPlan& plan, std::ostream* log, PlacedWeights* placed) {
    return MemoryPlanner(plan, placed).run(log);
}

}  // namespace accel::compiler
