// SPDX-License-Identifier: Apache-2.0
//
// A host that does its worst.
#include "hostile.hpp"

#include <cstddef>
#include <cstring>
#include <thread>

#include "ordering.hpp"

namespace accel::bench {

namespace {

constexpr uint64_t kPages = 64;          // mapped pages of a context
constexpr uint64_t kWindow = 0x40'0000;  // where they are mapped
constexpr uint64_t kLargeWindow = kWindow + ACCEL_LARGE_SIZE;
constexpr uint64_t kParams = 8;  // page of parameter blocks and lists
constexpr uint64_t kGuard = 16;  // pages around that nobody may touch

}  // namespace

// Bytes to draw from; zeros when there are none left.
class Hostile::Script {
  public:
    explicit Script(std::span<const uint8_t> bytes) : bytes_(bytes) {}
    [[nodiscard]] bool over() const { return bytes_.empty(); }
    template <typename T>
    T take() {
        T value{};
        const size_t count = std::min(bytes_.size(), sizeof value);
        std::memcpy(&value, bytes_.data(), count);
        bytes_ = bytes_.subspan(count);
        return value;
    }
    uint64_t below(uint64_t limit) { return take<uint8_t>() % limit; }

  private:
    std::span<const uint8_t> bytes_;
};

Hostile::Hostile(const Powers& powers)
    : powers_(powers),
      bench_({.memory = 8 << 20,
              .host = 8 << 20,
              .queues = kQueues + 1,
              .contexts = 2,
              .vectors = 3,
              .ring_entries = kEntries,
              .event_entries = 16}) {
    for (auto& levels : tables_) {
        for (auto& table : levels) {
            table = bench_.host().allocate(kPage);
        }
    }
    const auto guarded = [&] {
        const uint64_t start = bench_.host().allocate((kPages + 2 * kGuard) * kPage);
        for (uint64_t i = 0; i < kGuard; ++i) {
            bench_.host().watch(start + i * kPage);
            bench_.host().watch(start + (kGuard + kPages + i) * kPage);
        }
        return start + kGuard * kPage;
    };
    data_ = guarded();
    other_ = guarded();
}

bool Hostile::begin() {
    bench_.function_reset();
    if (!bench_.wait_ready()) {
        return false;
    }
    auto& host = bench_.host();
    for (uint32_t context = 0; context < 2; ++context) {
        const auto& table = tables_[context];
        const uint64_t data = context == 0 ? data_ : other_;
        for (const uint64_t page : table) {
            std::memset(host.at(page), 0, kPage);
        }
        const auto set = [&](unsigned level, uint64_t va, uint64_t value) {
            (void)host.write_word(
                table[level] + (va >> ACCEL_TABLE_SHIFT(level)) % ACCEL_TABLE_ENTRIES * 8, value);
        };
        for (unsigned level = 1; level < ACCEL_TABLE_LEVELS; ++level) {
            set(level, kWindow, table[level - 1] | ACCEL_PTE_VALID);
        }
        constexpr uint64_t kLeaf = ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ;
        // The innocent context has the upper half of device memory to itself.
        const uint64_t device = context == 0 ? 0 : bench_.options().memory / 2;
        for (uint64_t i = 0; i < kPages; ++i) {
            const bool in_device = i >= 16 && i % 3 == 0;
            const bool writable = i < 16 || i % 7 != 0;
            set(0, kWindow + i * kPage,
                (in_device ? (device + i * kPage) | ACCEL_PTE_MEMORY : data + i * kPage) | kLeaf |
                    (writable ? uint64_t{ACCEL_PTE_WRITE} : 0));
        }
        set(1, kLargeWindow,
            (device + ACCEL_LARGE_SIZE) | ACCEL_PTE_MEMORY | ACCEL_PTE_WRITE | kLeaf);
        for (uint64_t i = 0; i < kPages; ++i) {
            std::memset(host.at(data + i * kPage), 0, kPage);
        }
    }
    tail_ = {};
    bench_.enable();
    for (uint32_t context = 0; context < 2; ++context) {
        accel_admin_command create{};
        create.opcode = ACCEL_ADMIN_CREATE_CONTEXT;
        create.id = context;
        create.create_context.root = tables_[context][ACCEL_TABLE_LEVELS - 1];
        if (bench_.admin(create) != ACCEL_OK) {
            return false;
        }
    }
    for (uint32_t id = 0; id <= kQueues; ++id) {
        if (create_queue(id, id == kInnocent ? 1 : 0) != ACCEL_OK) {
            return false;
        }
    }
    return true;
}

accel_status Hostile::create_queue(uint32_t id, uint32_t context) {
    const uint32_t place = id == kInnocent ? 0 : id;
    accel_admin_command create{};
    create.opcode = ACCEL_ADMIN_CREATE_QUEUE;
    create.id = id;
    create.create_queue.ring = kWindow + place * 2 * kPage;
    create.create_queue.status = kWindow + (place * 2 + 1) * kPage;
    create.create_queue.context = context;
    create.create_queue.entries = kEntries;
    create.create_queue.vector = id % 3;
    create.create_queue.priority = id % ACCEL_PRIORITIES;
    return bench_.admin(create);
}

accel_status Hostile::queue_command(accel_admin_opcode opcode, uint32_t id) {
    accel_admin_command admin{};
    admin.opcode = static_cast<uint8_t>(opcode);
    admin.id = id;
    return bench_.admin(admin);
}

uint64_t Hostile::address(Script& script) {
    const uint64_t offset = script.take<uint16_t>() % (2 * kPage);
    switch (script.below(10)) {
        case 0:
            return script.take<uint64_t>();
        case 1:
            return ACCEL_ARG(script.below(6), offset & ~3ULL);
        case 2:
            return (uint64_t{1} << ACCEL_VA_BITS) - offset;
        case 3:
            return kLargeWindow + (offset & ~3ULL) + script.below(2) * (ACCEL_LARGE_SIZE - kPage);
        case 4:
            return offset;
        case 5:
            return kWindow + script.below(kPages) * kPage + offset;
        default:
            return kWindow + script.below(kPages) * kPage + (offset & ~63ULL);
    }
}

uint64_t Hostile::size(Script& script) {
    switch (script.below(8)) {
        case 0:
            return script.take<uint64_t>();
        case 1:
            return script.take<uint32_t>();
        case 2:
            return 0;
        case 3:
            return 4 * (script.take<uint16_t>() % 4096);
        default:
            return script.below(70);
    }
}

void Hostile::images(Script& script, accel_image& src, accel_image& dst, accel_window& window) {
    const auto small = [&] { return static_cast<uint16_t>(script.below(5)); };
    for (accel_image* image : {&src, &dst}) {
        image->height = static_cast<uint32_t>(size(script));
        image->width = static_cast<uint32_t>(size(script));
        image->channels = static_cast<uint32_t>(size(script));
        image->pixel = image->channels + small();
        image->row = static_cast<uint32_t>(size(script));
        image->image = static_cast<uint32_t>(size(script));
    }
    if (script.below(2) == 0) {
        dst.channels = dst.pixel = src.channels;
    }
    window = {.height = small(),
              .width = small(),
              .stride_y = small(),
              .stride_x = small(),
              .dilation_y = small(),
              .dilation_x = small(),
              .pad_top = static_cast<uint16_t>(size(script)),
              .pad_left = static_cast<uint16_t>(size(script))};
}

void Hostile::numbers(Script& script, accel_numbers& out) {
    out.src1_type = static_cast<uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
    out.dst_type = static_cast<uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
    out.src0_zero = static_cast<uint8_t>(script.below(3));
    out.src1_zero = static_cast<uint8_t>(script.below(3));
}

void Hostile::params(Script& script) {
    // One of eight blocks in the parameter page, with sizes that are mostly small.
    union {
        accel_gemm gemm;
        accel_elementwise elementwise;
        accel_reduce reduce;
        accel_conv2d conv2d;
        accel_pool pool;
        accel_transpose transpose;
        accel_gather gather;
        accel_resize resize;
        std::array<uint8_t, 256> bytes;
    } block{};
    const auto dimension = [&] { return static_cast<uint32_t>(size(script)); };
    switch (script.below(9)) {
        case 0:
            block.gemm.type = static_cast<uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
            numbers(script, block.gemm.numbers);
            block.gemm.batch = static_cast<uint32_t>(script.below(4));
            block.gemm.batch_a = dimension();
            block.gemm.batch_d = dimension();
            block.gemm.activation = static_cast<uint8_t>(script.below(ACCEL_ACT_NOT + 2));
            block.gemm.flags = static_cast<uint16_t>(script.below(ACCEL_GEMM_FLAGS + 2));
            block.gemm.m = dimension();
            block.gemm.n = dimension();
            block.gemm.k = dimension();
            block.gemm.lda = block.gemm.ldb = block.gemm.ldd = dimension();
            break;
        case 1:
            block.elementwise.type = ACCEL_TYPE_F32;
            block.elementwise.op = static_cast<uint8_t>(script.below(ACCEL_EW_SELECT + 2));
            block.elementwise.activation = static_cast<uint8_t>(script.below(ACCEL_ACT_NOT + 2));
            block.elementwise.type =
                script.below(2) != 0 ? uint8_t{ACCEL_TYPE_F32} : uint8_t{ACCEL_TYPE_I64};
            block.elementwise.dst_type = static_cast<uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
            block.elementwise.src0_type = static_cast<uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
            block.elementwise.rank = static_cast<uint8_t>(script.below(8));
            for (unsigned i = 0; i < block.elementwise.rank && i < ACCEL_RANK_MAX; ++i) {
                block.elementwise.dims[i] = dimension();
                block.elementwise.dst_strides[i] = dimension();
                block.elementwise.src0_strides[i] = dimension();
                block.elementwise.src1_strides[i] = dimension();
            }
            break;
        case 2:
            block.reduce.type = ACCEL_TYPE_F32;
            block.reduce.op = static_cast<uint8_t>(script.below(ACCEL_REDUCE_MEAN + 2));
            block.reduce.outer = dimension();
            block.reduce.n = dimension();
            block.reduce.inner = dimension();
            break;
        case 3:
            block.conv2d.type = static_cast<uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
            numbers(script, block.conv2d.numbers);
            block.conv2d.flags = static_cast<uint16_t>(script.below(ACCEL_CONV2D_FLAGS + 2));
            block.conv2d.batch = dimension();
            block.conv2d.groups = dimension();
            images(script, block.conv2d.src, block.conv2d.dst, block.conv2d.window);
            break;
        case 4:
            block.pool.type = ACCEL_TYPE_F32;
            block.pool.op = static_cast<uint8_t>(script.below(3));
            block.pool.batch = dimension();
            images(script, block.pool.src, block.pool.dst, block.pool.window);
            break;
        case 5:
            block.transpose.size = static_cast<uint8_t>(1U << script.below(5));
            block.transpose.rank = static_cast<uint8_t>(script.below(8));
            for (unsigned i = 0; i < block.transpose.rank && i < ACCEL_RANK_MAX; ++i) {
                block.transpose.dims[i] = dimension();
                block.transpose.dst_strides[i] = dimension();
                block.transpose.src_strides[i] =
                    script.below(2) != 0 ? dimension() : 0 - dimension();
            }
            break;
        case 6:
            block.gather.size = static_cast<uint8_t>(1U << script.below(5));
            block.gather.index_type =
                script.below(2) != 0 ? uint8_t{ACCEL_TYPE_I32} : uint8_t{ACCEL_TYPE_I64};
            block.gather.flags = static_cast<uint16_t>(script.below(3));
            block.gather.outer = dimension();
            block.gather.n = dimension();
            block.gather.count = dimension();
            block.gather.inner = dimension();
            break;
        case 7:
            block.resize.type = ACCEL_TYPE_F32;
            block.resize.taps = static_cast<uint16_t>(script.below(5));
            block.resize.outer = dimension();
            block.resize.n = dimension();
            block.resize.count = dimension();
            block.resize.inner = dimension();
            break;
        default:
            block.bytes = script.take<std::array<uint8_t, 256>>();
            break;
    }
    card::move_payload(bench_.host().at(data_ + kParams * kPage + script.below(8) * 256), &block,
                       sizeof block);
}

accel_command Hostile::command(Script& script) {
    static constexpr uint8_t kOpcodes[] = {
        ACCEL_OP_NOP,    ACCEL_OP_CALL, ACCEL_OP_WAIT,        ACCEL_OP_SIGNAL,  ACCEL_OP_COPY,
        ACCEL_OP_FILL,   ACCEL_OP_GEMM, ACCEL_OP_ELEMENTWISE, ACCEL_OP_SOFTMAX, ACCEL_OP_REDUCE,
        ACCEL_OP_CONV2D, ACCEL_OP_POOL, ACCEL_OP_TRANSPOSE,   ACCEL_OP_GATHER,  ACCEL_OP_RESIZE};
    accel_command c{};
    c.opcode = kOpcodes[script.below(std::size(kOpcodes))];
    if (script.below(8) == 0) {
        c.flags = ACCEL_CMD_RECORD;
        c.record = address(script);
    }
    switch (c.opcode) {
        case ACCEL_OP_NOP:
            break;
        case ACCEL_OP_CALL:
            c.variant = static_cast<uint16_t>(script.below(2));
            c.call.list = kWindow + (kParams + 1 + script.below(3)) * kPage;
            c.call.count = static_cast<uint32_t>(size(script));
            c.call.arguments = static_cast<uint32_t>(script.below(6));
            for (unsigned i = 0; i < c.call.arguments && i < ACCEL_CALL_ARGS_INLINE; ++i) {
                c.call.args[i] = address(script);
            }
            break;
        case ACCEL_OP_WAIT:
        case ACCEL_OP_SIGNAL:
            c.semaphore.address = address(script);
            c.semaphore.value = script.below(4);
            break;
        case ACCEL_OP_COPY:
            c.copy.dst = address(script);
            c.copy.src = address(script);
            c.copy.bytes = size(script);
            c.copy.dst_stride = size(script);
            c.copy.src_stride = size(script);
            c.copy.rows = static_cast<uint32_t>(size(script));
            break;
        case ACCEL_OP_FILL:
            c.variant = static_cast<uint16_t>(1U << script.below(5));
            c.fill.dst = address(script);
            c.fill.pattern = script.take<uint64_t>();
            c.fill.bytes = size(script);
            c.fill.dst_stride = size(script);
            c.fill.rows = static_cast<uint32_t>(size(script));
            break;
        default:
            params(script);
            c.tensor.dst = address(script);
            c.tensor.src0 = address(script);
            c.tensor.src1 = script.below(2) == 0 ? 0 : address(script);
            c.tensor.src2 = script.below(2) == 0 ? 0 : address(script);
            c.tensor.params = kWindow + kParams * kPage + script.below(8) * 256;
            c.tensor.params_size = script.below(2) == 0 ? 256 : script.below(2) == 0 ? 128 : 64;
            break;
    }
    return c;
}

void Hostile::place(Script& script, const accel_command& command) {
    const auto id = static_cast<uint32_t>(script.below(kQueues));
    card::move_payload(bench_.host().at(data_ + id * 2 * kPage + tail_[id] % kEntries * 64),
                       &command, sizeof command);
    card::store_word(bench_.host().at(status_page(id)) + offsetof(accel_queue_status, tail),
                     ++tail_[id]);
    bench_.doorbell(id, tail_[id]);
}

// Lets the card get on with it, but not for ever: much of what it is asked to do never ends.
void Hostile::settle() {
    for (int i = 0; i < 20; ++i) {
        bool idle = true;
        for (uint32_t id = 0; id < kQueues; ++id) {
            const uint8_t* const page = bench_.host().at(status_page(id));
            idle = idle && (card::load_word(page) == tail_[id] ||
                            static_cast<uint32_t>(card::load_word(page + 8)) == ACCEL_QUEUE_ERROR);
        }
        if (idle) {
            return;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(10));
    }
}

void Hostile::act(Script& script) {
    auto& host = bench_.host();
    const auto id = static_cast<uint32_t>(script.below(kQueues));
    switch (script.below(12)) {
        case 0:
            return place(script, script.take<accel_command>());
        case 1: {  // a command of a list
            const uint64_t list = data_ + (kParams + 1 + script.below(3)) * kPage;
            const accel_command c = command(script);
            return card::move_payload(host.at(list + script.below(64) * 64), &c, sizeof c);
        }
        case 2:  // a word of the status page
            return card::store_word(
                host.at(status_page(id)) + 8 * script.below(32),
                script.below(2) == 0 ? tail_[id] + script.below(20) : script.take<uint64_t>());
        case 3:
            return bench_.doorbell_raw(uint64_t{script.take<uint16_t>()} << script.below(8),
                                       script.take<uint32_t>(), 1U << script.below(4));
        case 4:
            tail_[id] = 0;
            card::store_word(host.at(status_page(id)) + offsetof(accel_queue_status, tail), 0);
            if (!powers_.tables) {
                (void)queue_command(ACCEL_ADMIN_RESET_QUEUE, id);
            } else {  // the answer may never come
                accel_admin_command reset{};
                reset.opcode = ACCEL_ADMIN_RESET_QUEUE;
                reset.id = id;
                (void)bench_.post_admin(reset);
            }
            return;
        case 5:
            if (powers_.tables) {
                const uint64_t slot = tables_[0][script.below(ACCEL_TABLE_LEVELS)] +
                                      8 * (script.take<uint16_t>() % ACCEL_TABLE_ENTRIES);
                uint64_t entry = 0;
                (void)host.read_word(slot, entry);
                entry = script.below(2) == 0 ? script.take<uint64_t>()
                                             : entry ^ (uint64_t{1} << script.below(64));
                (void)host.write_word(slot, entry);
            }
            return;
        case 6:
            if (powers_.registers) {
                return bench_.write(uint64_t{4} * script.below(160), script.take<uint64_t>(),
                                    script.below(2) == 0 ? 4 : 8);
            }
            return;
        case 7:
            if (powers_.registers) {
                (void)bench_.post_admin(script.take<accel_admin_command>());
            }
            return;
        default:
            return place(script, command(script));
    }
}

bool Hostile::innocent_works() {
    uint8_t* const page = bench_.host().at(other_ + kPage);
    const accel_command nop{};
    for (int i = 0; i < 3; ++i) {
        card::move_payload(bench_.host().at(other_ + tail_[kInnocent] % kEntries * 64), &nop,
                           sizeof nop);
        card::store_word(page + offsetof(accel_queue_status, tail), ++tail_[kInnocent]);
        bench_.doorbell(kInnocent, tail_[kInnocent]);
        if (!eventually([&] { return card::load_word(page) == tail_[kInnocent]; })) {
            return false;
        }
    }
    return true;
}

std::string Hostile::run(std::span<const uint8_t> bytes) {
    if (!begin()) {
        return "the card does not come back from a reset";
    }
    Script script(bytes);
    const uint64_t trespasses = bench_.host().trespasses();
    for (int steps = 0; !script.over() && steps < 200; ++steps) {
        act(script);
        settle();
    }
    if (powers_.tables || powers_.registers) {
        // It may have mapped its neighbour and the driver's rings: only a reset must help.
        return begin() && innocent_works() ? "" : "the card does not come back from a reset";
    }
    for (uint32_t id = 0; id < kQueues; ++id) {
        if (queue_command(ACCEL_ADMIN_DESTROY_QUEUE, id) != ACCEL_OK) {
            return "a hostile queue cannot be destroyed";
        }
    }
    if (!innocent_works()) {
        return "the queue next door stopped";
    }
    if ((bench_.read32(ACCEL_REG_STATUS) & ~ACCEL_STATUS_THROTTLED) !=
        (ACCEL_STATUS_READY | ACCEL_STATUS_ENABLED)) {
        return "the card stopped";
    }
    if (bench_.host().trespasses() != trespasses) {
        return "the card touched memory that nobody mapped";
    }
    return {};
}

}  // namespace accel::bench
