// SPDX-License-Identifier: Apache-2.0
//
// The shapes for which a model is compiled.
#pragma once

#include <accel/event_loop.hpp>
#include <accel/model.hpp>
#include <accel/request.hpp>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "frontend/input_shapes.hpp"
#include "runtime/compiled_model.hpp"
#include "runtime/shape_source.hpp"

namespace accel::compiler {

/// Keeps shapes that load() made, and those of later runs that were used last. A shape that it
/// drops stays alive while a Model or a job uses it.
///
/// Lock order: compile_mutex_, mutex_, the locks of requests.
///
/// Thread-safety: any thread. One shape is compiled at a time; runs of other shapes do not wait for
/// it.
class ShapeCache final : public detail::RequestOwner,
                         public std::enable_shared_from_this<ShapeCache> {
  public:
    using Compiled = std::shared_ptr<CompiledModel>;

    /// `source` null: there are only the shapes that add() brings.
    ShapeCache(InputShapes inputs, std::unique_ptr<ShapeSource> source, std::size_t max_shapes);

    /// Adds a shape that stays.
    void add(Compiled shape);
    /// Compiles a shape that stays, with a log if it is not null.
    Compiled add(std::span<const Dims> shapes, std::ostream* log);

    [[nodiscard]] const InputShapes& inputs() const { return inputs_; }
    /// The shape, compiled if it is not there.
    [[nodiscard]] Compiled find(std::span<const Dims> shapes);
    /// All that are there, the last used in front.
    [[nodiscard]] std::vector<Compiled> all() const;

    /// As find(), by a thread of its own. `made` gets the result.
    [[nodiscard]] Request prepare(std::vector<Dims> shapes, std::shared_ptr<Compiled> made);

    [[nodiscard]] bool cancel(const Request& request) override;
    [[nodiscard]] bool completes_on_this_thread() const noexcept override;

  private:
    struct Entry {
        Compiled shape;
        bool stays = false;
    };

    void check_process() const;
    [[nodiscard]] Compiled find_compiled(std::span<const Dims> shapes);
    [[nodiscard]] Compiled compile(std::span<const Dims> shapes);
    void keep(const Compiled& shape);
    void drop_unused();
    void prepare_now(const Request& request, std::span<const Dims> shapes, Compiled& made);
    [[noreturn]] void refuse_unknown(std::span<const Dims> shapes) const;

    const std::uint32_t forks_ = detail::fork_count;
    const InputShapes inputs_;
    const std::size_t max_shapes_;

    std::mutex compile_mutex_;  // guards the source
    const std::unique_ptr<ShapeSource> source_;

    mutable std::mutex mutex_;  // guards the members below
    std::list<Entry> entries_;  // the last used in front
    std::vector<Request> waiting_;
    std::optional<EventLoop> loop_;  // of the thread that prepares; the last member, so that it
                                     // ends first
};

}  // namespace accel::compiler
