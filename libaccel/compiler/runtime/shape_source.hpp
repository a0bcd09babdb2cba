// SPDX-License-Identifier: Apache-2.0
//
// Compiles a model for one shape of its inputs after another. All shapes share the weights.
#pragma once

#include <accel/device.hpp>

#include <iosfwd>
#include <memory>
#include <optional>
#include <span>

#include "frontend/import_session.hpp"
#include "runtime/compiled_model.hpp"
#include "runtime/weight_upload.hpp"

namespace accel::compiler {

/// The first shape uploads the weights that it reads. A later one finds them on the card, by the
/// identities of their storages, and uploads only constants that the card does not have.
///
/// Thread-safety: none.
class ShapeSource {
  public:
    /// `options` may name weights of another process.
    ShapeSource(const Device& device, std::unique_ptr<ImportSession> session,
                const LoadOptions& options);

    [[nodiscard]] const ImportSession& session() const { return *session_; }

    /// Compiles the model. Errors name the shapes. `log` may be null.
    [[nodiscard]] std::shared_ptr<CompiledModel> compile(std::span<const Dims> shapes,
                                                         std::ostream* log);

  private:
    Device device_;
    std::unique_ptr<ImportSession> session_;
    std::shared_ptr<ScratchPool> scratch_ = std::make_shared<ScratchPool>();
    std::optional<SharedWeights> weights_;  // nothing before the first upload
    PlacedWeights placed_;
    bool unchecked_ = false;  // weights of another process, which no shape has used yet
};

}  // namespace accel::compiler
