// SPDX-License-Identifier: Apache-2.0
//
// The functions that libaccel calls, and the machines of this process by their names.
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "emulated_interface.hpp"
#include "machine.hpp"
#include "options.hpp"
#include "owned_fd.hpp"
#include "shown_name.hpp"

namespace accel::emulated {

namespace {

// A machine that knows its process. A child cannot end it: its threads do not exist there.
struct Owned {
    Owned(const std::string& name, const std::vector<CardOptions>& cards) : machine(name, cards) {}

    Machine machine;
    unsigned forks = fork_count();
    Owned* next_abandoned = nullptr;
};

// Keeps the machines of the parent reachable in a child, so that no checker takes them for leaked.
std::atomic<Owned*> abandoned{nullptr};

void release(Owned* owned) {
    if (owned->forks == fork_count()) {
        delete owned;  // NOLINT(cppcoreguidelines-owning-memory): the deleter of a shared_ptr
        return;
    }
    owned->next_abandoned = abandoned.exchange(owned);
}

// The machines of a process. A child has none.
class Registry {
  public:
    static Registry& instance() {
        // Never destroyed: objects of static duration may own machines.
        static auto* const registry = new Registry;  // NOLINT(cppcoreguidelines-owning-memory)
        return *registry;
    }

    std::shared_ptr<Machine> get(const Options& options) {
        const std::lock_guard lock(mutex_);
        const std::string name = options.machine();
        auto& known = machines_[{fork_count(), name}];
        if (auto machine = known.lock()) {
            return machine;
        }
        const std::shared_ptr<Owned> owned(new Owned(name, options.all()), release);
        std::shared_ptr<Machine> machine(owned, &owned->machine);
        known = machine;
        return machine;
    }

  private:
    std::mutex mutex_;
    std::map<std::pair<unsigned, std::string>, std::weak_ptr<Machine>> machines_;
};

int open(const std::string& name, std::shared_ptr<detail::Kernel>& machine, std::string& text) {
    const Options options = parse_options(name);
    const auto found = Registry::instance().get(options);
    text = found->nodes().at(options.card);
    machine = found;
    return 0;
}

}  // namespace

}  // namespace accel::emulated

extern "C" {

__attribute__((visibility("default"))) const char* accel_emulated_version() {
    return accel::detail::interface_version;
}

__attribute__((visibility("default"))) int accel_emulated_open(
    const std::string& name, std::shared_ptr<accel::detail::Kernel>& machine,
    std::string& text) noexcept {
    const std::string failed = "cannot open card \"" + accel::detail::shown_name(name) + "\": ";
    try {
        return accel::emulated::open(name, machine, text);
    } catch (const std::invalid_argument& error) {
        text = error.what();
        return EINVAL;
    } catch (const std::system_error& error) {
        text = failed + error.what() +
               (error.code() == std::errc::resource_unavailable_try_again
                    ? "; end other programs, or raise the limits of threads (ulimit -u) and memory "
                      "(ulimit -v)"
                    : "; choose less memory, or end other programs");
        return error.code().value();
    } catch (const std::exception& error) {
        text = failed + error.what();
        return ENOMEM;
    }
}
}
