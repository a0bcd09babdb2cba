// SPDX-License-Identifier: Apache-2.0
//
// Signals of the process are for the threads of the program, not for those of an emulated card.
#pragma once

#include <pthread.h>

#include <csignal>

namespace accel::emulated {

/// During its lifetime this thread, and each that it creates, takes no signal except those of its
/// own faults.
class SignalBlock {
  public:
    SignalBlock() {
        sigset_t set;
        ::sigfillset(&set);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) {
            ::sigdelset(&set, fault);
        }
        ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    }
    SignalBlock(const SignalBlock&) = delete;
    SignalBlock& operator=(const SignalBlock&) = delete;
    SignalBlock(SignalBlock&&) = delete;
    SignalBlock& operator=(SignalBlock&&) = delete;
    ~SignalBlock() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

}  // namespace accel::emulated
