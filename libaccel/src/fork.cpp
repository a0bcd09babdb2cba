// SPDX-License-Identifier: Apache-2.0
//
// The registry of fork hooks, and the handlers that fork() runs.
#include "fork.hpp"

#include <pthread.h>

#include <mutex>
#include <new>

namespace accel::detail {

std::uint32_t fork_count = 0;

// The lock is held across fork(), so that the child sees a whole list. No code of a caller runs
// under it.
struct ForkRegistry {
    std::mutex mutex;
    ForkHook* first = nullptr;

    static ForkRegistry& instance() {
        // Never destroyed: objects of static duration unregister late, and fork() may run later.
        static ForkRegistry* const registry = make();
        return *registry;
    }

    void add(ForkHook& hook) noexcept {
        const std::lock_guard lock(mutex);
        hook.next_ = first;
        if (first != nullptr) {
            first->previous_ = &hook;
        }
        first = &hook;
    }

    void remove(ForkHook& hook) noexcept {
        const std::lock_guard lock(mutex);
        (hook.previous_ != nullptr ? hook.previous_->next_ : first) = hook.next_;
        if (hook.next_ != nullptr) {
            hook.next_->previous_ = hook.previous_;
        }
    }

  private:
    static void before_fork() { instance().mutex.lock(); }
    static void in_parent() { instance().mutex.unlock(); }
    static void in_child() {
        ++fork_count;
        for (ForkHook* hook = instance().first; hook != nullptr; hook = hook->next_) {
            hook->action_(hook->object_);
        }
        instance().mutex.unlock();
    }

    static ForkRegistry* make() {
        // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): lives as long as the process
        auto* const registry = new ForkRegistry;
        if (::pthread_atfork(before_fork, in_parent, in_child) != 0) {
            delete registry;  // NOLINT(cppcoreguidelines-owning-memory)
            throw std::bad_alloc();
        }
        return registry;
    }
};

ForkHook::ForkHook(Action action, void* object) : action_(action), object_(object) {
    ForkRegistry::instance().add(*this);
}

ForkHook::~ForkHook() {
    ForkRegistry::instance().remove(*this);
}

}  // namespace accel::detail
