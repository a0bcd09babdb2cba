// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The fiber of a helper, and its checkpoint.
#include "helper.hpp"

#include <utility>

namespace accel::card {

namespace {

// Threads that count each piece at once would wait for each other.
constexpr std::uint64_t pieces_for_each_count = 8;

}  // namespace

Helper::Helper(unsigned number) : fiber_([this] { run(); }) {
    scratch_.lane = 1 + number % (Gate::lane_count - 1);
}

Helper::~Helper() {
    command_ = nullptr;
    fiber_.resume();
}

bool Helper::resume(bool stepwise) {
    stepwise_ = stepwise;
    done_ = false;
    fiber_.resume();
    return done_;
}

void Helper::run() {
    while (command_ != nullptr) {
        command_->help(*this, scratch_, first_);
        command_->count(std::exchange(pieces_, 0));
        done_ = true;
        fiber_.yield();
    }
}

Status Helper::pass(std::uint64_t pieces) {
    pieces_ += pieces;
    if (stepwise_ || pieces_ >= pieces_for_each_count) {
        command_->count(std::exchange(pieces_, 0));
    }
    if (stepwise_ && !command_->is_over(first_)) {
        fiber_.yield();
    }
    while (command_->is_paused() && !command_->is_over(first_)) {
        fiber_.yield();
    }
    return command_->is_over(first_) ? ACCEL_ABORTED : ACCEL_OK;
}

void Helpers::push(std::unique_ptr<Helper> helper) {
    helper->next = std::move(top_);
    top_ = std::move(helper);
    ++size_;
}

std::unique_ptr<Helper> Helpers::pop() {
    std::unique_ptr<Helper> helper = std::move(top_);
    if (helper != nullptr) {
        top_ = std::move(helper->next);
        --size_;
    }
    return helper;
}

}  // namespace accel::card
