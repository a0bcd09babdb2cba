// SPDX-License-Identifier: Apache-2.0
//
// A tar file in memory, by libarchive.
#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

struct archive;

namespace accel::tools {

/// Collects entries below one folder. A second entry of the same path is ignored.
class BundleArchive {
  public:
    /// All paths of entries begin with `folder`.
    explicit BundleArchive(std::string folder);

    void add_file(const std::string& path, std::string_view content);
    void add_link(const std::string& path, const std::string& target);
    void add_folder(const std::string& path);

    /// The paths of all files and links.
    [[nodiscard]] const std::set<std::string>& paths() const { return paths_; }

    /// Ends the archive and returns it, compressed by gzip.
    [[nodiscard]] std::vector<std::byte> finish();

  private:
    enum class Kind { file, link, folder };
    void add(const std::string& path, Kind kind, std::string_view content);

    std::string folder_;
    std::set<std::string> paths_;
    std::vector<std::byte> bytes_;
    std::unique_ptr<archive, int (*)(archive*)> archive_;
};

}  // namespace accel::tools
