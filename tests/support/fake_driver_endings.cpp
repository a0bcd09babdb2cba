// SPDX-License-Identifier: Apache-2.0
//
// The limits of the user of the fake driver, the end of its cards, and its part of fork().
#include <cstring>

#include "fake_driver.hpp"
#include "fake_driver_state.hpp"

namespace accel::fake {

std::optional<std::string> Driver::attribute(const std::string& /*path*/, const std::string& name) {
    const std::lock_guard lock(mutex_);
    return name == "quota/contexts" ? std::optional(std::to_string(limits_.contexts))
                                    : std::nullopt;
}

void Driver::set_limits(const Limits& limits) {
    const std::lock_guard lock(mutex_);
    limits_ = limits;
}

Driver::Limits Driver::used() const {
    Limits used{.contexts = files_.size(), .queues = 0, .memory = 0, .host_memory = 0};
    for (const auto& [fd, file] : files_) {
        used.queues += file->queues.size();
        for (const auto& [handle, buffer] : file->buffers) {
            (buffer.memory ? used.memory : used.host_memory) += buffer.bytes;
        }
    }
    return used;
}

int Driver::context_query(const File& file, accel_context_query& argument) const {
    if (!knows_reasons) {
        return ENOTTY;
    }
    if (argument.size != sizeof(argument) || argument.flags != 0) {
        return EINVAL;
    }
    argument.reason = file.reason;
    argument.error = static_cast<std::uint32_t>(file.dead);
    argument.generation = file.generation;
    argument.card_generation = generation_;
    argument.time = file.dead != 0 ? 1 : 0;
    argument.pid = file.pid;
    return 0;
}

void Driver::end_files(std::size_t index, int error, accel_reason reason, std::uint32_t pid) {
    {
        const std::lock_guard lock(mutex_);
        ++generation_;
        for (auto& [fd, file] : files_) {
            if (file->card_index == index && file->dead == 0) {
                file->dead = error;
                file->reason = reason;
                file->pid = pid;
            }
        }
        cards_.at(index)->reset();
    }
    cards_.at(index)->wake();
}

// The child cannot see the writes of the card: its memory is a copy.
void Driver::replace_in_child(void* memory, std::size_t bytes) noexcept {
    std::memset(memory, 0, bytes);
}

}  // namespace accel::fake
