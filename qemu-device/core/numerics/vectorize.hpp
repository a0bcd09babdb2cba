// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Loops that are compiled for each supported instruction set, and selected at run time. A loop is a
// functor whose call is always inlined, so that it is compiled for the instruction set of its
// caller. The results have the same bits with every instruction set.
#pragma once

#include <utility>

namespace accel::card {

#if defined(__x86_64__)

template <typename Loop, typename... Args>
[[gnu::target("avx512f,avx512dq,avx512vl,avx512bw,fma")]] void loop_avx512(Args... args) {
    Loop{}(args...);
}

template <typename Loop, typename... Args>
[[gnu::target("avx2,fma")]] void loop_avx2(Args... args) {
    Loop{}(args...);
}

inline int vector_level() {
    static const int level = [] {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
            return 2;
        }
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : 0;
    }();
    return level;
}

template <typename Loop, typename... Args>
void run_vectorized(Args... args) {
    switch (vector_level()) {
        case 2:
            return loop_avx512<Loop, Args...>(args...);
        case 1:
            return loop_avx2<Loop, Args...>(args...);
        default:
            return Loop{}(args...);
    }
}

#else

template <typename Loop, typename... Args>
void run_vectorized(Args... args) {
    Loop{}(args...);
}

#endif

}  // namespace accel::card
