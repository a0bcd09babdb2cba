// SPDX-License-Identifier: Apache-2.0
//
// A callable that can only be moved: callbacks own buffers, which cannot be copied.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace accel {

template <typename Signature>
class UniqueFunction;

/// Like std::function, but the callable need not be copyable. std::move_only_function is C++23.
///
/// Thread-safety: none of its own; calls change the callable.
template <typename Result, typename... Args>
class UniqueFunction<Result(Args...)> {
  public:
    UniqueFunction() = default;  ///< empty: may not be called

    template <typename F>
    requires(!std::same_as<F, UniqueFunction> && std::is_invocable_r_v<Result, F&, Args...>)
        UniqueFunction(F function)  // NOLINT(google-explicit-constructor): a lambda is a callback
        : target_(std::make_unique<Holder<F>>(std::move(function))) {}

    explicit operator bool() const noexcept { return target_ != nullptr; }
    Result operator()(Args... args) { return target_->call(std::forward<Args>(args)...); }

  private:
    struct Target {
        Target() = default;
        Target(const Target&) = delete;
        Target& operator=(const Target&) = delete;
        Target(Target&&) = delete;
        Target& operator=(Target&&) = delete;
        virtual ~Target() = default;
        virtual Result call(Args... args) = 0;
    };

    template <typename F>
    struct Holder final : Target {
        explicit Holder(F callable) : function(std::move(callable)) {}
        Result call(Args... args) override {
            if constexpr (std::is_void_v<Result>) {
                std::invoke(function, std::forward<Args>(args)...);
            } else {
                return std::invoke(function, std::forward<Args>(args)...);
            }
        }
        F function;
    };

    std::unique_ptr<Target> target_;
};

}  // namespace accel
