// SPDX-License-Identifier: Apache-2.0
//
// Finds models in folders.
#include "folders.hpp"

#include <algorithm>

namespace accel::test {

std::vector<std::filesystem::path> find_models(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.path().filename() == "model.onnx") {
            found.push_back(entry.path().parent_path());
        }
    }
    std::ranges::sort(found);
    return found;
}

}  // namespace accel::test
