// SPDX-License-Identifier: Apache-2.0
#include "passes/memory_planning.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <ostream>

namespace accel::compiler {

namespace {

constexpr std::uint64_t alignment = 64;

std::uint64_t aligned(std::uint64_t bytes) {
    return (bytes + alignment - 1) / alignment * alignment;
}

// Stores that share a place one after the other, and when: first and last step.
struct Tenancy {
    int first = -1;
    int last = -1;
    std::uint64_t bytes = 0;
    std::uint64_t offset = 0;
};

class Planner {
  public:
    explicit Planner(Steps& steps)
        : steps_(steps), parent_(steps.stores.size()), tenancies_(steps.stores.size()) {
        std::iota(parent_.begin(), parent_.end(), 0);
    }

    MemoryUse run(std::ostream* dump) {
        MemoryUse use;
        find_lifetimes();
        for (const Store& store : steps_.stores) {
            use.activations += store.kind == Store::Kind::scratch ? store.bytes : 0;
        }
        share_places();
        use.peak = place_scratch();
        use.weights = place_weights();
        if (dump != nullptr) {
            *dump << "  " << use.weights << " bytes of weights, " << use.activations
                  << " of activations in " << use.peak << " (" << 100 * use.ratio() << " %)\n";
        }
        return use;
    }

  private:
    [[nodiscard]] bool is_scratch(int store) const {
        return store >= 0 &&
               steps_.stores[static_cast<std::size_t>(store)].kind == Store::Kind::scratch;
    }

    void find_lifetimes() {
        const auto touch = [&](int store, int step) {
            if (is_scratch(store)) {
                Tenancy& t = tenancies_[static_cast<std::size_t>(store)];
                t.first = t.first < 0 ? step : t.first;
                t.last = step;
                t.bytes = steps_.stores[static_cast<std::size_t>(store)].bytes;
            }
        };
        for (std::size_t i = 0; i < steps_.list.size(); ++i) {
            for (const Ref& source : steps_.list[i].src) {
                touch(source.store, static_cast<int>(i));
            }
            touch(steps_.list[i].dst.store, static_cast<int>(i));
        }
    }

    [[nodiscard]] std::size_t root(int store) {
        auto at = static_cast<std::size_t>(store);
        while (parent_[at] != at) {
            at = parent_[at] = parent_[parent_[at]];
        }
        return at;
    }

    // Whether a source lies in the place `at` other than the result would: it would be overwritten
    // before it is read.
    [[nodiscard]] bool read_otherwise(const Step& step, std::size_t at) {
        for (std::size_t s = 0; s < step.src.size(); ++s) {
            const int store = step.src.at(s).store;
            if (is_scratch(store) && root(store) == at && !step.in_place.at(s)) {
                return true;
            }
        }
        return false;
    }

    // A result that is first written where a source of the same layout is last read.
    void share_places() {
        std::vector<bool> dropped(steps_.list.size());
        for (std::size_t i = 0; i < steps_.list.size(); ++i) {
            Step& step = steps_.list[i];
            const int now = static_cast<int>(i);
            for (std::size_t s = 0; s < step.src.size(); ++s) {
                if (!step.in_place.at(s) || !is_scratch(step.src.at(s).store) ||
                    !is_scratch(step.dst.store)) {
                    continue;
                }
                const std::size_t from = root(step.src.at(s).store);
                const std::size_t to = root(step.dst.store);
                if (from == to || tenancies_[from].last != now || tenancies_[to].first != now ||
                    step.src.at(s).offset != step.dst.offset || read_otherwise(step, from)) {
                    continue;
                }
                parent_[to] = from;
                tenancies_[from].last = tenancies_[to].last;
                tenancies_[from].bytes = std::max(tenancies_[from].bytes, tenancies_[to].bytes);
                dropped[i] = step.copy;
                break;
            }
        }
        // Lifetimes count steps as they were: that order is all that matters.
        std::vector<Step> kept;
        for (std::size_t i = 0; i < steps_.list.size(); ++i) {
            if (!dropped[i]) {
                kept.push_back(std::move(steps_.list[i]));
            }
        }
        steps_.list = std::move(kept);
    }

    // The largest first, each as low as those allow that live at the same time.
    std::uint64_t place_scratch() {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < tenancies_.size(); ++i) {
            if (parent_[i] == i && tenancies_[i].first >= 0) {
                order.push_back(i);
            }
        }
        std::ranges::stable_sort(order, std::greater<>(),
                                 [&](std::size_t i) { return tenancies_[i].bytes; });
        std::uint64_t peak = 0;
        std::vector<const Tenancy*> placed;  // by offset
        for (const std::size_t i : order) {
            Tenancy& t = tenancies_[i];
            for (const Tenancy* other : placed) {
                if (other->first > t.last || t.first > other->last) {
                    continue;
                }
                if (t.offset + aligned(t.bytes) <= other->offset) {
                    break;
                }
                t.offset = std::max(t.offset, other->offset + aligned(other->bytes));
            }
            peak = std::max(peak, t.offset + aligned(t.bytes));
            placed.insert(std::ranges::upper_bound(placed, t.offset, {}, &Tenancy::offset), &t);
        }
        for (std::size_t i = 0; i < steps_.stores.size(); ++i) {
            if (is_scratch(static_cast<int>(i))) {
                steps_.stores[i].offset = tenancies_[root(static_cast<int>(i))].offset;
            }
        }
        return peak;
    }

    // Each constant once, and only those that a command reads.
    std::uint64_t place_weights() {
        std::vector<bool> used(steps_.stores.size());
        for (const Step& step : steps_.list) {
            for (const Ref& source : step.src) {
                if (source.store >= 0) {
                    used[static_cast<std::size_t>(source.store)] = true;
                }
            }
        }
        std::uint64_t end = 0;
        std::map<const Tensor*, std::uint64_t> known;
        for (std::size_t i = 0; i < steps_.stores.size(); ++i) {
            Store& store = steps_.stores[i];
            if (store.kind != Store::Kind::weights) {
                continue;
            }
            if (!used[i]) {
                store.data = nullptr;
                continue;
            }
            const auto [at, fresh] = known.try_emplace(store.data.get(), end);
            store.offset = at->second;
            end += fresh ? aligned(store.bytes) : 0;
        }
        return end;
    }

    Steps& steps_;
    std::vector<std::size_t> parent_;
    std::vector<Tenancy> tenancies_;
};

}  // namespace

MemoryUse plan(Steps& steps, std::ostream* dump) {
    return Planner(steps).run(dump);
}

}  // namespace accel::compiler
