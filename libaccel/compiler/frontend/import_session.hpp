// SPDX-License-Identifier: Apache-2.0
//
// A model that stays parsed, so that it can be imported for one shape after another.
#pragma once

#include <accel/load_options.hpp>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "frontend/input_shapes.hpp"
#include "frontend/onnx_import.hpp"
#include "ir/constant_cache.hpp"

namespace accel::compiler {

struct ParsedModel;

/// The first import makes the constants that later ones share: the weights, and what is made of
/// them. Their storages have the same identities in all programs. Constants that only a later
/// import makes end with its program.
///
/// Thread-safety: none. The programs share constants, so they are compiled one after another, too.
class ImportSession {
  public:
    /// Parses the model. Throws if the options do not fit it.
    ImportSession(ModelSource source, const LoadOptions& options);
    ImportSession(const ImportSession&) = delete;
    ImportSession& operator=(const ImportSession&) = delete;
    ImportSession(ImportSession&&) = delete;
    ImportSession& operator=(ImportSession&&) = delete;
    ~ImportSession();

    [[nodiscard]] const std::string& name() const { return source_.name; }
    [[nodiscard]] const InputShapes& shapes() const { return shapes_; }
    /// The outputs that the model declares, with -1 for lengths that it does not state.
    [[nodiscard]] std::vector<TensorInfo> outputs() const;

    /// Throws if the model has operators that are not supported, or ambiguous names. import()
    /// throws the same.
    void check() const;

    /// Imports the model for inputs of these shapes, in the order of shapes().
    [[nodiscard]] Program import(std::span<const Dims> shapes);

    /// Releases all bytes of constants that can be read or computed again.
    void release() const noexcept;

  private:
    ModelSource source_;
    LoadOptions options_;
    std::unique_ptr<ParsedModel> model_;
    InputShapes shapes_;
    std::shared_ptr<ConstantCache> constants_;  // of the first import; null before it
};

}  // namespace accel::compiler
