// SPDX-License-Identifier: Apache-2.0
#include "runtime/weight_upload.hpp"

#include <accel/transfer.hpp>

#include <algorithm>
#include <cstring>

#include "ir/fingerprint.hpp"
#include "runtime/list_recording.hpp"
#include "runtime/weight_export.hpp"
#include "runtime/weight_import.hpp"
#include "runtime/weights_trailer.hpp"

namespace accel::compiler {

namespace {

constexpr std::uint64_t alignment = 64;

// Pieces of this size are copied on their own, the largest first. Pieces below are copied in the
// order of their places, many together.
constexpr std::size_t large_piece = std::size_t{1} << 20;

// Copies bytes to memory of the card through a buffer in host memory. Zeros fill gaps up to the
// alignment of a piece.
class WeightWriter {
  public:
    WeightWriter(const Device& device, Buffer<std::byte>& memory)
        : memory_(memory),
          queue_(device.create_queue()),
          staging_(device.allocate<std::byte>(
              {std::min(staging_bytes, std::max<std::size_t>(memory.size(), alignment))})) {}

    void write(std::uint64_t offset, std::span<const std::byte> bytes) {
        if (offset != start_ + filled_) {
            flush();
            start_ = offset;
        }
        while (!bytes.empty()) {
            const std::size_t count = std::min(bytes.size(), staging_.size() - filled_);
            std::memcpy(staging_.data() + filled_, bytes.data(), count);
            filled_ += count;
            bytes = bytes.subspan(count);
            if (filled_ == staging_.size()) {
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
                .submit(Copy{.dst = memory_.slice(start_, filled_),
                             .src = staging_.slice(0, filled_),
                             .bytes = filled_})
                .wait();
            start_ += filled_;
            filled_ = 0;
        }
    }

  private:
    static constexpr std::size_t staging_bytes = std::size_t{1} << 20;

    Buffer<std::byte>& memory_;
    Queue queue_;
    Buffer<std::byte> staging_;
    std::uint64_t start_ = 0;  // in the memory, of the bytes in the staging buffer
    std::size_t filled_ = 0;   // bytes in the staging buffer
};

// Orders the pieces that must be computed first, the largest before the others. Their computation
// needs more memory than the pieces themselves, and at the start the process holds the fewest
// weights.
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
    constexpr std::size_t part_bytes = std::size_t{4} << 20;
    for (std::size_t at = 0; at < piece.data.size(); at += part_bytes) {
        const std::size_t count = std::min(part_bytes, piece.data.size() - at);
        visit(piece.offset + at, std::span(piece.data.data() + at, count));
        piece.data.part(at, count).evict();
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

// Reads a part of the weights back.
TensorStorage read_back(const Device& device, const Buffer<std::byte>& memory,
                        std::uint64_t offset, std::size_t bytes) {
    TensorStorage storage(bytes);
    Queue queue = device.create_queue();
    download(device, queue, std::span(storage.data(), bytes), memory.slice(offset, bytes));
    return storage;
}

// Notes a piece that is on the card, and releases its bytes.
void note_uploaded(const CompiledModel& model, const WeightPiece& piece, PlacedWeights& uploaded) {
    uploaded.add(piece.data, piece.offset);
    // The storage and its copies may be used longer than the model.
    piece.data.move_away([device = std::make_shared<const Device>(model.device.alias()),
                          memory = std::make_shared<const Buffer<std::byte>>(model.weights.alias()),
                          offset = piece.offset, bytes = piece.data.size()] {
        return read_back(*device, *memory, offset, bytes);
    });
}

void upload_weights(CompiledModel& model, std::vector<WeightPiece> pieces,
                    PlacedWeights* uploaded) {
    sort_pieces(pieces);
    model.weights =
        model.device.allocate_device<std::byte>({weights_memory_bytes(model)});
    WeightWriter writer(model.device, model.weights);
    WeightsFingerprint sum;
    for (WeightPiece& piece : pieces) {
        for_each_part(piece, [&](std::uint64_t offset, std::span<const std::byte> bytes) {
            sum.add(offset, bytes);
            writer.write(offset, bytes);
        });
        if (uploaded == nullptr) {
            piece.data = {};
        } else {
            piece.data.release();
        }
    }
    model.fingerprint = sum.value();
    const WeightsTrailer trailer = trailer_of(model);
    writer.flush();
    writer.write(trailer_offset(model), std::as_bytes(std::span(&trailer, 1)));
    writer.flush();
    if (uploaded != nullptr) {
        for (const WeightPiece& piece : pieces) {
            note_uploaded(model, piece, *uploaded);
        }
    }
}

void upload_shape_weights(CompiledModel& model, std::vector<WeightPiece> pieces) {
    if (pieces.empty()) {
        return;
    }
    std::ranges::sort(pieces, {}, &WeightPiece::offset);
    model.shape_weights = model.device.allocate_device<std::byte>({model.memory.shape_weights});
    WeightWriter writer(model.device, model.shape_weights);
    for (const WeightPiece& piece : pieces) {
        for_each_part(piece, [&](std::uint64_t offset, std::span<const std::byte> bytes) {
            writer.write(offset, bytes);
        });
    }
    writer.flush();
}

void prepare_runs(CompiledModel& model) {
    if (!model.commands.empty()) {
        model.scratch->reserve(model.device, model.memory.peak);
        model.lists = record_lists(model, false);
    }
}

}  // namespace

void upload(CompiledModel& model, std::vector<WeightPiece> weights, const WeightSource& source,
            const LargestTensor& largest) {
    if (source.memory != nullptr) {
        model.memory.weights = source.memory->bytes;
        model.fingerprint = source.memory->fingerprint;
        model.ranges = source.memory->ranges;
        model.weights = source.memory->memory.alias();
        check_free_memory(model, false, largest);
        upload_shape_weights(model, std::move(weights));
        prepare_runs(model);
        return;
    }
    for (const WeightPiece& piece : weights) {
        model.ranges.push_back({.offset = piece.offset, .bytes = piece.data.size()});
    }
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
        upload_weights(model, std::move(weights), source.uploaded);
    }
    prepare_runs(model);
}

std::vector<std::byte> download_weights(const CompiledModel& model) {
    std::vector<std::byte> bytes(model.memory.weights);
    if (!bytes.empty()) {
        Queue queue = model.device.create_queue();
        download(model.device, queue, std::span(bytes), model.weights.slice(0, bytes.size()));
    }
    return bytes;
}

}  // namespace accel::compiler
