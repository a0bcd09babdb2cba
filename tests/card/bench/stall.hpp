// SPDX-License-Identifier: Apache-2.0
//
// Holds the card up in the middle of an access to given bus addresses: "busy" as a state a test can
// be in for as long as it likes. It is a thread of the card that is held up, so a card in virtual
// time, which has none, cannot be.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "bench/bench.hpp"

namespace accel::bench {

class Stall {
  public:
    Stall(Bench& bench, std::uint64_t first, std::uint64_t last) : bench_(bench) {
        bench.set_access_hook([state = state_, first, last](std::uint64_t bus, bool) {
            if (bus >= first && bus <= last && !state->released) {
                ++state->inside;
                state->released.wait(false);
                --state->inside;
            }
        });
    }
    ~Stall() {
        release();
        bench_.set_access_hook(nullptr);
    }
    Stall(const Stall&) = delete;
    Stall& operator=(const Stall&) = delete;
    Stall(Stall&&) = delete;
    Stall& operator=(Stall&&) = delete;

    // Until `threads` threads of the card hang here.
    [[nodiscard]] bool reached(unsigned threads = 1) {
        return eventually([&] { return state_->inside >= threads; });
    }
    void release() {
        state_->released = true;
        state_->released.notify_all();
    }

  private:
    struct State {
        std::atomic<bool> released{false};
        std::atomic<unsigned> inside{0};
    };
    Bench& bench_;
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace accel::bench
