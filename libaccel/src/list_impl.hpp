// SPDX-License-Identifier: Apache-2.0
//
// A recorded list: what is being recorded, what it asks of its arguments, and where the card finds
// it.
#pragma once

#include <accel_hw.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "accel/command_list.hpp"
#include "command_access.hpp"
#include "device_impl.hpp"
#include "tracked_object.hpp"

namespace accel::detail {

class ListImpl final : public Resource {
  public:
    [[nodiscard]] static std::shared_ptr<ListImpl> create(const std::shared_ptr<DeviceImpl>& device,
                                                          Placement placement) {
        return {new ListImpl(device, placement), Retire{}};
    }

    void add(const Command& command);
    void close();

    [[nodiscard]] bool closed() const noexcept { return memory_.owner != nullptr; }
    [[nodiscard]] std::uint32_t size() const noexcept {
        return static_cast<std::uint32_t>(commands_.size());
    }
    [[nodiscard]] std::uint32_t arguments() const noexcept {
        return static_cast<std::uint32_t>(needs_.size());
    }

    /// Context address of the closed list.
    [[nodiscard]] std::uint64_t address() const noexcept { return memory_.address; }

    /// What all uses of argument `index` together ask of it.
    [[nodiscard]] const CommandAccess::Use& need(std::uint32_t index) const {
        return needs_[index];
    }

  private:
    ListImpl(const std::shared_ptr<DeviceImpl>& device, Placement placement)
        : Resource(device), placement_(placement) {}

    Placement placement_;
    std::vector<accel_command> commands_;
    std::vector<std::byte> params_;           // parameter blocks, behind the commands in memory
    std::vector<std::uint32_t> with_params_;  // the commands that have one, at the offset recorded
    std::vector<CommandAccess::Use> needs_;
    std::vector<std::shared_ptr<const void>> owners_;
    Allocation memory_;
};

struct ListAccess {
    static CommandList wrap(std::shared_ptr<ListImpl> impl) { return CommandList(std::move(impl)); }
    static const std::shared_ptr<ListImpl>& impl(const CommandList& list) {
        if (!list.impl_) {
            throw_moved_from("CommandList");
        }
        return list.impl_;
    }
};

}  // namespace accel::detail
