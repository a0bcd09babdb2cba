// SPDX-License-Identifier: Apache-2.0
//
// What jobs use: memory and recorded lists. A job keeps what it uses alive, and nobody counts.
//
// Every queue of a device has a lane, and counts its submissions by positions that never restart. A
// resource remembers, for each lane, the newest position that uses it: its fences. That is one
// store for each operand of a submission and nothing at all when a job is over. Only when the last
// handle of a resource is dropped somebody looks: if a queue has not come past the fence yet, the
// resource goes into that queue's limbo, and whoever sees the queue's progress next lets it go.
//
// Threads. Who submits holds a handle, so the store of a fence happens before the last handle is
// dropped, by the handle's own reference count. A lane that is used again begins behind all
// positions that were ever given out on it.
//
// Locks: Lanes::mutex_, then Limbo::mutex_. Neither is held while a resource is destroyed, which
// enters the kernel and may drop other resources.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace accel::detail {

class DeviceImpl;
class Limbo;

/// Counts the submissions of a queue, across its resets.
using Position = std::uint64_t;

class Resource {
  public:
    explicit Resource(std::shared_ptr<DeviceImpl> device);
    Resource(const Resource&) = delete;
    Resource& operator=(const Resource&) = delete;
    Resource(Resource&&) = delete;
    Resource& operator=(Resource&&) = delete;
    virtual ~Resource();

    /// By the producer of the queue on this lane, before the card can see the submission.
    void use(std::uint32_t lane, Position position) const noexcept {
        fences_[lane].store(position, std::memory_order_relaxed);
    }

    [[nodiscard]] const std::shared_ptr<DeviceImpl>& device() const noexcept { return device_; }

    /// The deleter of all handles: destroys the resource, now or when no job uses it any more.
    struct Retire {
        void operator()(Resource* resource) const noexcept { retire(resource); }
    };
    static void retire(Resource* resource) noexcept;

  private:
    friend class Limbo;
    friend class Lanes;

    std::shared_ptr<DeviceImpl> device_;
    std::unique_ptr<std::atomic<Position>[]> fences_;  // by lane
    Resource* next_ = nullptr;                         // in a limbo
    Position until_ = 0;                               // there
};

/// Resources without handles that a queue is not past yet.
class Limbo {
  public:
    Limbo() = default;
    Limbo(const Limbo&) = delete;
    Limbo& operator=(const Limbo&) = delete;
    Limbo(Limbo&&) = delete;
    Limbo& operator=(Limbo&&) = delete;
    ~Limbo() = default;

    [[nodiscard]] bool empty() const noexcept {
        return first_.load(std::memory_order_relaxed) == nullptr;
    }
    void hold(Resource* resource, Position until) noexcept;

    /// Lets go of what is not in (past, end]: of what the queue has come past, and of what it will
    /// never come to.
    void release(Position past, Position end) noexcept;

  private:
    std::mutex mutex_;
    std::atomic<Resource*> first_{nullptr};  // changes under the mutex
};

/// A queue as its resources see it.
class Lane {
  public:
    /// Whether jobs up to `position` may still run; then `resource` is kept until they do not.
    [[nodiscard]] virtual bool keep(Resource* resource, Position position) noexcept = 0;

    Lane() = default;
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;
    Lane(Lane&&) = delete;
    Lane& operator=(Lane&&) = delete;

  protected:
    ~Lane() = default;
};

/// The lanes of a device. Any thread.
class Lanes {
  public:
    /// Once, before anything else; as many queues as the card has.
    void set_count(std::uint32_t count) { lanes_.resize(count); }

    [[nodiscard]] std::uint32_t count() const noexcept {
        return static_cast<std::uint32_t>(lanes_.size());
    }

    struct Place {
        std::uint32_t lane;
        Position base;  ///< positions up to here are of others
    };
    /// Throws if there are more queues than the card has.
    [[nodiscard]] Place join(Lane& lane);
    /// Its last position was `end`.
    void leave(std::uint32_t lane, Position end) noexcept;

    /// Whether some queue keeps the resource.
    [[nodiscard]] bool keep(Resource* resource) noexcept;

  private:
    struct Slot {
        Lane* lane = nullptr;
        Position base = 0;
    };
    std::mutex mutex_;
    std::vector<Slot> lanes_;
};

}  // namespace accel::detail
