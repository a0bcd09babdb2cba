// SPDX-License-Identifier: Apache-2.0
//
// A model that Python gives as the path of a file, or as the content of one.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>

#include "casters.hpp"

namespace accel::python {

/// Keeps the content's object alive and unchanged in size while it exists. The GIL is needed to
/// make it and to end it.
class ModelSource {
  public:
    /// `model`: a path, or an object with the buffer protocol. `folder`: None, or the path of the
    /// folder with the other files of a content. Raises TypeError for another object.
    ModelSource(const nb::object& model, const nb::object& folder);
    ModelSource(const ModelSource&) = delete;
    ModelSource& operator=(const ModelSource&) = delete;
    ModelSource(ModelSource&&) = delete;
    ModelSource& operator=(ModelSource&&) = delete;
    ~ModelSource();

    /// Calls action(path), or action(content, folder).
    template <typename OnPath, typename OnContent>
    auto use(OnPath&& on_path, OnContent&& on_content) const {
        if (has_content_) {
            return on_content(std::span(static_cast<const std::byte*>(view_.buf),
                                        static_cast<std::size_t>(view_.len)),
                              path_);
        }
        return on_path(path_);
    }

  private:
    bool has_content_ = false;
    Py_buffer view_{};
    std::filesystem::path path_;  // of the model, or of the folder
};

}  // namespace accel::python
