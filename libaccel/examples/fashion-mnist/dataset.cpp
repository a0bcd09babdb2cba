// SPDX-License-Identifier: Apache-2.0
//
// The IDX format: a magic number, the dimensions, and the values, all big-endian.
#include "dataset.hpp"

#include <zlib.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>

namespace fashion {

namespace {

struct GzClose {
    void operator()(gzFile file) const noexcept { gzclose(file); }
};

class GzReader {
  public:
    explicit GzReader(const std::filesystem::path& path)
        : path_(path.string()), file_(gzopen(path_.c_str(), "rb")) {
        if (!file_) {
            throw std::runtime_error("cannot open " + path_ +
                                     ": install the package dataset-fashion-mnist, or pass the "
                                     "directory of its files with --data");
        }
    }

    void read(std::span<std::uint8_t> out) {
        while (!out.empty()) {
            constexpr std::size_t max_chunk = 1U << 30;
            const auto want = static_cast<unsigned>(std::min(out.size(), max_chunk));
            const int got = gzread(file_.get(), out.data(), want);
            if (got <= 0) {
                throw std::runtime_error(path_ +
                                         " is damaged or too short: install its package again");
            }
            out = out.subspan(static_cast<std::size_t>(got));
        }
    }

    std::uint32_t read_u32() {
        std::array<std::uint8_t, 4> b{};
        read(b);
        return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 |
               b[3];
    }

    // Reads a field of the header, which must have this value.
    void expect(std::uint32_t value, const char* what) {
        if (const std::uint32_t found = read_u32(); found != value) {
            throw std::runtime_error(path_ + " has " + what + " " + std::to_string(found) +
                                     ", not " + std::to_string(value) +
                                     ": it is not a file of Fashion-MNIST");
        }
    }

  private:
    std::string path_;
    std::unique_ptr<gzFile_s, GzClose> file_;
};

constexpr std::uint32_t magic_labels = 0x801;  // bytes, one dimension
constexpr std::uint32_t magic_images = 0x803;  // bytes, three dimensions
constexpr std::uint32_t edge = 28;             // pixels
constexpr std::uint32_t max_images = 1'000'000;

}  // namespace

Dataset load_dataset(const std::filesystem::path& directory, std::string_view set) {
    Dataset data;
    const std::string prefix(set);
    GzReader images(directory / (prefix + "-images-idx3-ubyte.gz"));
    images.expect(magic_images, "type");
    const std::uint32_t count = images.read_u32();
    if (count == 0 || count > max_images) {
        throw std::runtime_error("the data set has " + std::to_string(count) +
                                 " images: it is damaged; install its package again");
    }
    images.expect(edge, "rows");
    images.expect(edge, "columns");
    data.images.resize(count * pixels);
    images.read(data.images);

    GzReader labels(directory / (prefix + "-labels-idx1-ubyte.gz"));
    labels.expect(magic_labels, "type");
    labels.expect(count, "labels");
    data.labels.resize(count);
    labels.read(data.labels);
    for (const std::uint8_t label : data.labels) {
        if (label >= classes) {
            throw std::runtime_error("the data set has a label of " + std::to_string(label) +
                                     ": it is damaged; install its package again");
        }
    }
    return data;
}

}  // namespace fashion
