// SPDX-License-Identifier: Apache-2.0
//
// Tracked objects: the memory and the recorded lists that jobs use. An object lives until its last
// handle is gone and every job that uses it is finished.
//
// No job counts references. Each queue of a device has a slot, and numbers its submissions with
// positions that never restart. An object remembers, for each slot, the newest position that uses
// it. So a submission costs one store for each operand, and the end of a job costs nothing. Only
// the release of the last handle looks at the queues: if one has not finished the position, the
// object is added to the retire list of that queue. The next thread that sees progress of the
// queue then destroys it.
//
// Threads. A producer holds a handle while it submits. So its store of a position happens before
// the release of the last handle, by the reference count of the handle. A slot that is used again
// starts after all positions that were ever given out for it.
//
// Lock order: QueueSlots::mutex_, then RetireList::mutex_. Neither is held while an object is
// destroyed: a destructor enters the kernel and may release other objects.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "fork.hpp"

namespace accel::detail {

class QueueSlots;

/// Number of a submission of a queue; it never restarts.
using Position = std::uint64_t;

/// A use of objects by a job: the job at `position` of the queue in `slot`.
struct TrackedUse {
    std::uint32_t slot;
    Position position;
};

/// Base of everything that jobs keep alive. It keeps its device open, through `slots`.
class TrackedObject {
  public:
    /// `slots` shares the ownership of the device.
    explicit TrackedObject(std::shared_ptr<QueueSlots> slots);
    TrackedObject(const TrackedObject&) = delete;
    TrackedObject& operator=(const TrackedObject&) = delete;
    TrackedObject(TrackedObject&&) = delete;
    TrackedObject& operator=(TrackedObject&&) = delete;
    virtual ~TrackedObject();

    /// Called by the producer of the queue, before the card can see the submission.
    void mark_used(const TrackedUse& use) const noexcept {
        last_use_by_slot_[use.slot].store(use.position, std::memory_order_relaxed);
    }

    /// The deleter of all handles: destroys the object now, or when no job uses it any more.
    struct Retire {
        void operator()(TrackedObject* object) const noexcept { retire(object); }
    };
    static void retire(TrackedObject* object) noexcept;

  private:
    friend class RetireList;
    friend class QueueSlots;

    std::shared_ptr<QueueSlots> slots_;
    std::unique_ptr<std::atomic<Position>[]> last_use_by_slot_;
    TrackedObject* next_ = nullptr;  // in a RetireList
    Position awaited_use_ = 0;       // the last use by the queue of that list
};

/// Objects without handles that unfinished jobs of a queue use.
///
/// Thread-safety: any thread.
class RetireList {
  public:
    RetireList() = default;
    RetireList(const RetireList&) = delete;
    RetireList& operator=(const RetireList&) = delete;
    RetireList(RetireList&&) = delete;
    RetireList& operator=(RetireList&&) = delete;
    ~RetireList() = default;

    [[nodiscard]] bool empty() const noexcept {
        return first_.load(std::memory_order_relaxed) == nullptr;
    }
    void add(TrackedObject* object, Position last_use) noexcept;

    /// Releases the objects whose last use is not in (finished, newest]: the queue has finished it,
    /// or it was abandoned.
    void release(Position finished, Position newest) noexcept;

  private:
    std::mutex mutex_;
    std::atomic<TrackedObject*> first_{nullptr};  // changed under the mutex
};

/// The owner of a queue slot: a queue, as tracked objects see it.
class SlotOwner {
  public:
    /// Whether jobs up to `position` may still run. If so, the owner keeps `object` until none
    /// does.
    [[nodiscard]] virtual bool keep(TrackedObject* object, Position position) noexcept = 0;

    SlotOwner() = default;
    SlotOwner(const SlotOwner&) = delete;
    SlotOwner& operator=(const SlotOwner&) = delete;
    SlotOwner(SlotOwner&&) = delete;
    SlotOwner& operator=(SlotOwner&&) = delete;

  protected:
    ~SlotOwner() = default;
};

/// The queue slots of a device.
///
/// Thread-safety: any thread.
class QueueSlots {
  public:
    /// Called once, before all else, with the number of queues of the card.
    void set_count(std::uint32_t count) { slots_.resize(count); }

    [[nodiscard]] std::uint32_t count() const noexcept {
        return static_cast<std::uint32_t>(slots_.size());
    }

    struct Assignment {
        std::uint32_t slot;
        Position base;  ///< the positions of the owner start after this one
    };
    /// Assigns a free slot. Throws Error(no_space_on_device) if there is none.
    [[nodiscard]] Assignment acquire(SlotOwner& owner);
    /// `end` is the last position of the owner.
    void release(std::uint32_t slot, Position end) noexcept;

    /// Whether some queue keeps the object. In a child none does.
    [[nodiscard]] bool keep(TrackedObject* object) noexcept;

  private:
    Origin origin_;
    struct Slot {
        SlotOwner* owner = nullptr;
        Position base = 0;
    };
    std::mutex mutex_;
    std::vector<Slot> slots_;
};

}  // namespace accel::detail
