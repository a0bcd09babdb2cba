// SPDX-License-Identifier: Apache-2.0
//
// The file format, little-endian: a magic number of eight bytes, the number of floats in four
// bytes, the floats.
#include "weights.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>

namespace fashion {

namespace {

static_assert(std::endian::native == std::endian::little);

using Magic = std::array<char, 8>;
constexpr Magic weights_magic = {'a', 'c', 'c', 'l', 'm', 'l', 'p', '1'};
constexpr Magic logits_magic = {'a', 'c', 'c', 'l', 'l', 'o', 'g', '1'};

void save(const std::filesystem::path& path, const Magic& magic,
          std::span<const std::vector<float>* const> parts) {
    std::ofstream file(path, std::ios::binary);
    std::uint32_t count = 0;
    for (const auto* part : parts) {
        count += static_cast<std::uint32_t>(part->size());
    }
    file.write(magic.data(), std::ssize(magic));
    file.write(reinterpret_cast<const char*>(&count), sizeof(count));
    for (const auto* part : parts) {
        file.write(reinterpret_cast<const char*>(part->data()),
                   static_cast<std::streamsize>(part->size() * sizeof(float)));
    }
    file.close();
    if (!file) {
        throw std::runtime_error("cannot write " + path.string() +
                                 ": check that its directory is writable and has space");
    }
}

void load(const std::filesystem::path& path, const Magic& magic,
          std::span<std::vector<float>* const> parts) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error("cannot open " + path.string() +
                                 ": write it with fashion-mnist train");
    }
    std::uint32_t expected = 0;
    for (const auto* part : parts) {
        expected += static_cast<std::uint32_t>(part->size());
    }
    Magic found{};
    std::uint32_t count = 0;
    file.read(found.data(), found.size());
    file.read(reinterpret_cast<char*>(&count), sizeof(count));
    if (!file || found != magic || count != expected) {
        throw std::runtime_error(
            path.string() + " is not a file of this network: write it with fashion-mnist train");
    }
    for (auto* part : parts) {
        file.read(reinterpret_cast<char*>(part->data()),
                  static_cast<std::streamsize>(part->size() * sizeof(float)));
    }
    if (!file || file.peek() != std::ifstream::traits_type::eof()) {
        throw std::runtime_error(
            path.string() +
            " is damaged: its length is wrong; write it again with fashion-mnist train");
    }
}

}  // namespace

void save_weights(const MlpWeights& weights, const std::filesystem::path& path) {
    const std::array parts = {&weights.w1, &weights.b1, &weights.w2, &weights.b2};
    save(path, weights_magic, parts);
}

MlpWeights load_weights(const std::filesystem::path& path) {
    MlpWeights weights;
    const std::array parts = {&weights.w1, &weights.b1, &weights.w2, &weights.b2};
    load(path, weights_magic, parts);
    return weights;
}

void save_logits(const std::vector<float>& logits, const std::filesystem::path& path) {
    const std::array parts = {&logits};
    save(path, logits_magic, parts);
}

std::vector<float> load_logits(const std::filesystem::path& path, std::size_t images) {
    std::vector<float> logits(images * classes);
    const std::array parts = {&logits};
    load(path, logits_magic, parts);
    return logits;
}

}  // namespace fashion
