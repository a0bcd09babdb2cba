// SPDX-License-Identifier: Apache-2.0
#include "bundle_archive.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <ctime>
#include <stdexcept>
#include <utility>

namespace accel::tools {

namespace {

la_ssize_t append(archive* /*archive*/, void* target, const void* data, std::size_t size) {
    auto& bytes = *static_cast<std::vector<std::byte>*>(target);
    const auto* const first = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), first, first + size);
    return static_cast<la_ssize_t>(size);
}

}  // namespace

BundleArchive::BundleArchive(std::string folder)
    : folder_(std::move(folder)), archive_(archive_write_new(), archive_write_free) {
    archive_write_add_filter_gzip(archive_.get());
    archive_write_set_format_pax_restricted(archive_.get());
    if (archive_write_open(archive_.get(), &bytes_, nullptr, append, nullptr) != ARCHIVE_OK) {
        throw std::runtime_error(archive_error_string(archive_.get()));
    }
}

void BundleArchive::add(const std::string& path, Kind kind, std::string_view content) {
    if (!paths_.insert(path).second) {
        return;
    }
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                         archive_entry_free);
    archive_entry_set_pathname(entry.get(), (folder_ + "/" + path).c_str());
    archive_entry_set_mtime(entry.get(), std::time(nullptr), 0);
    archive_entry_set_perm(entry.get(), kind == Kind::file ? 0644 : 0755);
    switch (kind) {
        case Kind::file:
            archive_entry_set_filetype(entry.get(), AE_IFREG);
            archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
            break;
        case Kind::link:
            archive_entry_set_filetype(entry.get(), AE_IFLNK);
            archive_entry_set_symlink(entry.get(), std::string(content).c_str());
            break;
        case Kind::folder:
            archive_entry_set_filetype(entry.get(), AE_IFDIR);
            break;
    }
    bool written = archive_write_header(archive_.get(), entry.get()) == ARCHIVE_OK;
    if (written && kind == Kind::file && !content.empty()) {
        written = archive_write_data(archive_.get(), content.data(), content.size()) ==
                  static_cast<la_ssize_t>(content.size());
    }
    if (!written) {
        throw std::runtime_error(archive_error_string(archive_.get()));
    }
}

void BundleArchive::add_file(const std::string& path, std::string_view content) {
    add(path, Kind::file, content);
}

void BundleArchive::add_link(const std::string& path, const std::string& target) {
    add(path, Kind::link, target);
}

void BundleArchive::add_folder(const std::string& path) {
    add(path, Kind::folder, {});
}

std::vector<std::byte> BundleArchive::finish() {
    if (archive_write_close(archive_.get()) != ARCHIVE_OK) {
        throw std::runtime_error(archive_error_string(archive_.get()));
    }
    return std::move(bytes_);
}

}  // namespace accel::tools
