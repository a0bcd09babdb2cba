// SPDX-License-Identifier: Apache-2.0
#include "runtime/weight_upload.hpp"

#include <accel/transfer.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "runtime/fingerprint.hpp"
#include "runtime/list_recording.hpp"
#include "runtime/weight_import.hpp"
#include "runtime/weights_trailer.hpp"

namespace accel::compiler {

namespace {

constexpr std::uint64_t alignment = 64;

// Pieces of this size are copied on their own, the largest first. Pieces below are copied in the
// order of their places, many together.
constexpr std::size_t large_piece = std::size_t{1} << 20;

// Copies bytes to the weights of a model through a buffer in host memory. Zeros fill gaps up to the
// alignment of a piece.
class WeightWriter {
  public:
    explicit WeightWriter(CompiledModel& model)
        : model_(model),
          queue_(model.device.create_queue()),
          staging_(model.device.allocate<std::byte>({staging_bytes})) {}

    void write(std::uint64_t offset, std::span<const std::byte> bytes) {
        if (offset != start_ + filled_) {
            flush();
            start_ = offset;
        }
        while (!bytes.empty()) {
            const std::size_t count = std::min(bytes.size(), staging_bytes - filled_);
            std::memcpy(staging_.data() + filled_, bytes.data(), count);
            filled_ += count;
            bytes = bytes.subspan(count);
            if (filled_ == staging_bytes) {
                flush();
            }
        }
        const std::size_t padded = (filled_ + alignment - 1) / alignment * alignment;
        std::fill_n(staging_.data() + filled_, padded - filled_, std::byte{0});
        filled_ = padded;
    }

    void flush() {
        if (filled_ != 0) {
            queue_
                .submit(Copy{.dst = model_.weights.slice(start_, filled_),
                             .src = staging_.slice(0, filled_),
                             .bytes = filled_})
                .wait();
            start_ += filled_;
            filled_ = 0;
        }
    }

  private:
    static constexpr std::size_t staging_bytes = std::size_t{1} << 20;

    CompiledModel& model_;
    Queue queue_;
    Buffer<std::byte> staging_;
    std::uint64_t start_ = 0;  // in the weights, of the bytes in the staging buffer
    std::size_t filled_ = 0;   // bytes in the staging buffer
};

// Orders the pieces that must be computed first, the largest before the others. Their computation
// may need an operand as a whole, and at the start the process holds the fewest weights.
void sort_pieces(std::vector<WeightPiece>& pieces) {
    std::ranges::sort(pieces, [](const WeightPiece& a, const WeightPiece& b) {
        const auto rank = [](const WeightPiece& piece) {
            const std::size_t size = piece.data.size() < large_piece ? 0 : piece.data.size();
            return std::pair(size != 0 && piece.data.depth() != 0, size);
        };
        return rank(a) != rank(b) ? rank(a) > rank(b) : a.offset < b.offset;
    });
}

// Calls visit(offset, bytes) for parts of a piece, and releases each part.
template <typename Visit>
void for_each_part(const WeightPiece& piece, Visit&& visit) {
    constexpr std::size_t part_bytes = std::size_t{1} << 22;
    const bool in_memory = piece.data.depth() == 0;
    const PartReader reader = in_memory ? PartReader() : piece.data.reader();
    std::vector<std::byte> computed(in_memory ? 0 : std::min(part_bytes, piece.data.size()));
    for (std::size_t at = 0; at < piece.data.size(); at += part_bytes) {
        const std::size_t count = std::min(part_bytes, piece.data.size() - at);
        std::span<const std::byte> part;
        if (in_memory) {
            part = {piece.data.data() + at, count};
        } else {
            reader(at, std::span(computed).first(count));
            part = std::span(computed).first(count);
        }
        visit(piece.offset + at, part);
        piece.data.evict(at, count);
    }
}

std::uint64_t fingerprint_of(std::span<const WeightPiece> pieces) {
    WeightsFingerprint sum;
    for (const WeightPiece& piece : pieces) {
        for_each_part(piece, [&](std::uint64_t offset, std::span<const std::byte> bytes) {
            sum.add(offset, bytes);
        });
    }
    return sum.value();
}

void upload_weights(CompiledModel& model, std::vector<WeightPiece> pieces) {
    sort_pieces(pieces);
    static_assert(sizeof(WeightsTrailer) <= alignment);
    model.weights = model.device.allocate_device<std::byte>({trailer_offset(model) + alignment});
    WeightWriter writer(model);
    WeightsFingerprint sum;
    for (WeightPiece& piece : pieces) {
        for_each_part(piece, [&](std::uint64_t offset, std::span<const std::byte> bytes) {
            sum.add(offset, bytes);
            writer.write(offset, bytes);
        });
        piece.data = {};
    }
    model.fingerprint = sum.value();
    const WeightsTrailer trailer = trailer_of(model);
    writer.flush();
    writer.write(trailer_offset(model), std::as_bytes(std::span(&trailer, 1)));
    writer.flush();
}

}  // namespace

void upload(CompiledModel& model, std::vector<WeightPiece> weights, const WeightSource& source,
            const LargestTensor& largest) {
    const CompiledModel* const sharer = source.sharer;
    if (source.imported >= 0 || sharer != nullptr) {
        model.fingerprint = fingerprint_of(weights);
    }
    const bool shares = sharer != nullptr && trailer_of(*sharer) == trailer_of(model);
    check_free_memory(model, source.imported < 0 && !shares, largest);
    if (source.imported >= 0) {
        import_weights(model, source.imported);
    } else if (shares) {
        model.weights = sharer->weights.alias();
    } else {
        upload_weights(model, std::move(weights));
    }
    if (!model.commands.empty()) {
        model.scratch.reserve(model.device, model.memory.peak);
        model.lists = record_lists(model, false);
    }
}

void download_weights(const CompiledModel& model,
                      const std::function<void(std::span<const std::byte>)>& visit) {
    constexpr std::size_t part_bytes = std::size_t{1} << 22;
    const std::size_t all = model.memory.weights;
    std::vector<std::byte> bytes(std::min(part_bytes, all));
    std::optional<Queue> queue;
    for (std::size_t at = 0; at < all; at += part_bytes) {
        if (!queue) {
            queue = model.device.create_queue();
        }
        const auto part = std::span(bytes).first(std::min(part_bytes, all - at));
        download(model.device, *queue, part, model.weights.slice(at, part.size()));
        visit(part);
    }
}

}  // namespace accel::compiler
