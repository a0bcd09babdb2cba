// SPDX-License-Identifier: Apache-2.0
//
// A host that does its worst.
#include "fuzz_host.hpp"

#include <cstddef>
#include <cstring>
#include <thread>

#include "ordering.hpp"

namespace accel::test {

namespace {

constexpr std::uint64_t pages = 64;               // mapped pages of a context
constexpr std::uint64_t window_base = 0x40'0000;  // where they are mapped
constexpr std::uint64_t large_window = window_base + ACCEL_LARGE_SIZE;
constexpr std::uint64_t params_page = 8;  // page of parameter blocks and lists
constexpr std::uint64_t guard = 16;       // pages around that nobody may touch

}  // namespace

// Bytes to draw from; zeros when there are none left.
class Hostile::Script {
  public:
    explicit Script(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    [[nodiscard]] bool over() const { return bytes_.empty(); }
    template <typename T>
    T take() {
        T value{};
        const std::size_t count = std::min(bytes_.size(), sizeof value);
        std::memcpy(&value, bytes_.data(), count);
        bytes_ = bytes_.subspan(count);
        return value;
    }
    std::uint64_t below(std::uint64_t limit) { return take<std::uint8_t>() % limit; }

  private:
    std::span<const std::uint8_t> bytes_;
};

Hostile::Hostile(const Powers& powers)
    : powers_(powers),
      host_({.device_memory = 8 << 20,
             .host_memory = 8 << 20,
             .queues = queue_count + 1,
             .contexts = 2,
             .vectors = 3,
             .ring_entries = ring_length,
             .event_entries = 16}) {
    for (auto& levels : tables_) {
        for (auto& table : levels) {
            table = host_.memory().allocate(page_size);
        }
    }
    const auto guarded = [&] {
        const std::uint64_t start = host_.memory().allocate((pages + 2 * guard) * page_size);
        for (std::uint64_t i = 0; i < guard; ++i) {
            host_.memory().watch(start + i * page_size);
            host_.memory().watch(start + (guard + pages + i) * page_size);
        }
        return start + guard * page_size;
    };
    data_ = guarded();
    other_ = guarded();
}

bool Hostile::begin() {
    host_.function_reset();
    if (!host_.wait_ready()) {
        return false;
    }
    auto& host = host_.memory();
    for (std::uint32_t context = 0; context < 2; ++context) {
        const auto& table = tables_[context];
        const std::uint64_t data = context == 0 ? data_ : other_;
        for (const std::uint64_t page : table) {
            std::memset(host.at(page), 0, page_size);
        }
        const auto set = [&](unsigned level, std::uint64_t va, std::uint64_t value) {
            (void)host.write_word(
                table[level] + (va >> ACCEL_TABLE_SHIFT(level)) % ACCEL_TABLE_ENTRIES * 8, value);
        };
        for (unsigned level = 1; level < ACCEL_TABLE_LEVELS; ++level) {
            set(level, window_base, table[level - 1] | ACCEL_PTE_VALID);
        }
        constexpr std::uint64_t leaf = ACCEL_PTE_VALID | ACCEL_PTE_LEAF | ACCEL_PTE_READ;
        // The innocent context has the upper half of device memory to itself.
        const std::uint64_t device = context == 0 ? 0 : host_.options().device_memory / 2;
        for (std::uint64_t i = 0; i < pages; ++i) {
            const bool in_device = i >= 16 && i % 3 == 0;
            const bool writable = i < 16 || i % 7 != 0;
            set(0, window_base + i * page_size,
                (in_device ? (device + i * page_size) | ACCEL_PTE_MEMORY : data + i * page_size) |
                    leaf | (writable ? std::uint64_t{ACCEL_PTE_WRITE} : 0));
        }
        set(1, large_window,
            (device + ACCEL_LARGE_SIZE) | ACCEL_PTE_MEMORY | ACCEL_PTE_WRITE | leaf);
        for (std::uint64_t i = 0; i < pages; ++i) {
            std::memset(host.at(data + i * page_size), 0, page_size);
        }
    }
    tail_ = {};
    host_.enable();
    for (std::uint32_t context = 0; context < 2; ++context) {
        accel_admin_command create{};
        create.opcode = ACCEL_ADMIN_CREATE_CONTEXT;
        create.id = context;
        create.create_context.root = tables_[context][ACCEL_TABLE_LEVELS - 1];
        if (host_.admin(create) != ACCEL_OK) {
            return false;
        }
    }
    for (std::uint32_t id = 0; id <= queue_count; ++id) {
        if (create_queue(id, id == innocent ? 1 : 0) != ACCEL_OK) {
            return false;
        }
    }
    return true;
}

accel_status Hostile::create_queue(std::uint32_t id, std::uint32_t context) {
    const std::uint32_t place = id == innocent ? 0 : id;
    accel_admin_command create{};
    create.opcode = ACCEL_ADMIN_CREATE_QUEUE;
    create.id = id;
    create.create_queue.ring = window_base + place * 2 * page_size;
    create.create_queue.status = window_base + (place * 2 + 1) * page_size;
    create.create_queue.context = context;
    create.create_queue.entries = ring_length;
    create.create_queue.vector = id % 3;
    create.create_queue.priority = id % ACCEL_PRIORITIES;
    return host_.admin(create);
}

accel_status Hostile::queue_command(accel_admin_opcode opcode, std::uint32_t id) {
    accel_admin_command admin{};
    admin.opcode = static_cast<std::uint8_t>(opcode);
    admin.id = id;
    return host_.admin(admin);
}

std::uint64_t Hostile::address(Script& script) {
    const std::uint64_t offset = script.take<std::uint16_t>() % (2 * page_size);
    switch (script.below(10)) {
        case 0:
            return script.take<std::uint64_t>();
        case 1:
            return ACCEL_ARG(script.below(6), offset & ~3ULL);
        case 2:
            return (std::uint64_t{1} << ACCEL_VA_BITS) - offset;
        case 3:
            return large_window + (offset & ~3ULL) +
                   script.below(2) * (ACCEL_LARGE_SIZE - page_size);
        case 4:
            return offset;
        case 5:
            return window_base + script.below(pages) * page_size + offset;
        default:
            return window_base + script.below(pages) * page_size + (offset & ~63ULL);
    }
}

std::uint64_t Hostile::size(Script& script) {
    switch (script.below(8)) {
        case 0:
            return script.take<std::uint64_t>();
        case 1:
            return script.take<std::uint32_t>();
        case 2:
            return 0;
        case 3:
            return 4 * (script.take<std::uint16_t>() % 4096);
        default:
            return script.below(70);
    }
}

void Hostile::images(Script& script, accel_image_layout& src, accel_image_layout& dst,
                     accel_conv_window& window) {
    const auto small = [&] { return static_cast<std::uint16_t>(script.below(5)); };
    for (accel_image_layout* image : {&src, &dst}) {
        image->height = static_cast<std::uint32_t>(size(script));
        image->width = static_cast<std::uint32_t>(size(script));
        image->channels = static_cast<std::uint32_t>(size(script));
        image->pixel = image->channels + small();
        image->row = static_cast<std::uint32_t>(size(script));
        image->image = static_cast<std::uint32_t>(size(script));
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
              .pad_top = static_cast<std::uint16_t>(size(script)),
              .pad_left = static_cast<std::uint16_t>(size(script))};
}

void Hostile::numbers(Script& script, accel_numeric_format& out) {
    out.src1_type = static_cast<std::uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
    out.dst_type = static_cast<std::uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
    out.src0_zero = static_cast<std::uint8_t>(script.below(3));
    out.src1_zero = static_cast<std::uint8_t>(script.below(3));
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
        std::array<std::uint8_t, 256> bytes;
    } block{};
    const auto dimension = [&] { return static_cast<std::uint32_t>(size(script)); };
    switch (script.below(9)) {
        case 0:
            block.gemm.type = static_cast<std::uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
            numbers(script, block.gemm.format);
            block.gemm.batch = static_cast<std::uint32_t>(script.below(4));
            block.gemm.batch_a = dimension();
            block.gemm.batch_d = dimension();
            block.gemm.activation = static_cast<std::uint8_t>(script.below(ACCEL_UNARY_NOT + 2));
            block.gemm.flags = static_cast<std::uint16_t>(script.below(ACCEL_GEMM_FLAGS + 2));
            block.gemm.m = dimension();
            block.gemm.n = dimension();
            block.gemm.k = dimension();
            block.gemm.lda = block.gemm.ldb = block.gemm.ldd = dimension();
            break;
        case 1:
            block.elementwise.type = ACCEL_TYPE_F32;
            block.elementwise.op = static_cast<std::uint8_t>(script.below(ACCEL_EW_SELECT + 2));
            block.elementwise.activation =
                static_cast<std::uint8_t>(script.below(ACCEL_UNARY_NOT + 2));
            block.elementwise.type =
                script.below(2) != 0 ? std::uint8_t{ACCEL_TYPE_F32} : std::uint8_t{ACCEL_TYPE_I64};
            block.elementwise.dst_type =
                static_cast<std::uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
            block.elementwise.src0_type =
                static_cast<std::uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
            block.elementwise.rank = static_cast<std::uint8_t>(script.below(8));
            for (unsigned i = 0; i < block.elementwise.rank && i < ACCEL_RANK_MAX; ++i) {
                block.elementwise.dims[i] = dimension();
                block.elementwise.dst_strides[i] = dimension();
                block.elementwise.src0_strides[i] = dimension();
                block.elementwise.src1_strides[i] = dimension();
            }
            break;
        case 2:
            block.reduce.type = ACCEL_TYPE_F32;
            block.reduce.op = static_cast<std::uint8_t>(script.below(ACCEL_REDUCE_MEAN + 2));
            block.reduce.outer = dimension();
            block.reduce.n = dimension();
            block.reduce.inner = dimension();
            break;
        case 3:
            block.conv2d.type = static_cast<std::uint8_t>(script.below(ACCEL_TYPE_U64 + 2));
            numbers(script, block.conv2d.format);
            block.conv2d.flags = static_cast<std::uint16_t>(script.below(ACCEL_CONV2D_FLAGS + 2));
            block.conv2d.batch = dimension();
            block.conv2d.groups = dimension();
            images(script, block.conv2d.src, block.conv2d.dst, block.conv2d.window);
            break;
        case 4:
            block.pool.type = ACCEL_TYPE_F32;
            block.pool.op = static_cast<std::uint8_t>(script.below(3));
            block.pool.batch = dimension();
            images(script, block.pool.src, block.pool.dst, block.pool.window);
            break;
        case 5:
            block.transpose.size = static_cast<std::uint8_t>(1U << script.below(5));
            block.transpose.rank = static_cast<std::uint8_t>(script.below(8));
            for (unsigned i = 0; i < block.transpose.rank && i < ACCEL_RANK_MAX; ++i) {
                block.transpose.dims[i] = dimension();
                block.transpose.dst_strides[i] = dimension();
                block.transpose.src_strides[i] =
                    script.below(2) != 0 ? dimension() : 0 - dimension();
            }
            break;
        case 6:
            block.gather.size = static_cast<std::uint8_t>(1U << script.below(5));
            block.gather.index_type =
                script.below(2) != 0 ? std::uint8_t{ACCEL_TYPE_I32} : std::uint8_t{ACCEL_TYPE_I64};
            block.gather.flags = static_cast<std::uint16_t>(script.below(3));
            block.gather.outer = dimension();
            block.gather.n = dimension();
            block.gather.count = dimension();
            block.gather.inner = dimension();
            break;
        case 7:
            block.resize.type = ACCEL_TYPE_F32;
            block.resize.taps = static_cast<std::uint16_t>(script.below(5));
            block.resize.outer = dimension();
            block.resize.n = dimension();
            block.resize.count = dimension();
            block.resize.inner = dimension();
            break;
        default:
            block.bytes = script.take<std::array<std::uint8_t, 256>>();
            break;
    }
    card::move_payload(host_.memory().at(data_ + params_page * page_size + script.below(8) * 256),
                       &block, sizeof block);
}

accel_command Hostile::command(Script& script) {
    static constexpr std::uint8_t opcodes[] = {
        ACCEL_OP_NOP,    ACCEL_OP_CALL, ACCEL_OP_WAIT,        ACCEL_OP_SIGNAL,  ACCEL_OP_COPY,
        ACCEL_OP_FILL,   ACCEL_OP_GEMM, ACCEL_OP_ELEMENTWISE, ACCEL_OP_SOFTMAX, ACCEL_OP_REDUCE,
        ACCEL_OP_CONV2D, ACCEL_OP_POOL, ACCEL_OP_TRANSPOSE,   ACCEL_OP_GATHER,  ACCEL_OP_RESIZE};
    accel_command c{};
    c.opcode = opcodes[script.below(std::size(opcodes))];
    if (script.below(8) == 0) {
        c.flags = ACCEL_CMD_RECORD;
        c.record = address(script);
    }
    switch (c.opcode) {
        case ACCEL_OP_NOP:
            break;
        case ACCEL_OP_CALL:
            c.variant = static_cast<std::uint16_t>(script.below(2));
            c.call.list = window_base + (params_page + 1 + script.below(3)) * page_size;
            c.call.count = static_cast<std::uint32_t>(size(script));
            c.call.arguments = static_cast<std::uint32_t>(script.below(6));
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
            c.copy.rows = static_cast<std::uint32_t>(size(script));
            break;
        case ACCEL_OP_FILL:
            c.variant = static_cast<std::uint16_t>(1U << script.below(5));
            c.fill.dst = address(script);
            c.fill.pattern = script.take<std::uint64_t>();
            c.fill.bytes = size(script);
            c.fill.dst_stride = size(script);
            c.fill.rows = static_cast<std::uint32_t>(size(script));
            break;
        default:
            params(script);
            c.tensor.dst = address(script);
            c.tensor.src0 = address(script);
            c.tensor.src1 = script.below(2) == 0 ? 0 : address(script);
            c.tensor.src2 = script.below(2) == 0 ? 0 : address(script);
            c.tensor.params = window_base + params_page * page_size + script.below(8) * 256;
            c.tensor.params_size = script.below(2) == 0 ? 256 : script.below(2) == 0 ? 128 : 64;
            break;
    }
    return c;
}

void Hostile::place(Script& script, const accel_command& command) {
    const auto id = static_cast<std::uint32_t>(script.below(queue_count));
    card::move_payload(host_.memory().at(data_ + id * 2 * page_size + tail_[id] % ring_length * 64),
                       &command, sizeof command);
    card::store_word(host_.memory().at(status_page(id)) + offsetof(accel_queue_status, tail),
                     ++tail_[id]);
    host_.doorbell(id, tail_[id]);
}

// Lets the card get on with it, but not for ever: much of what it is asked to do never ends.
void Hostile::settle() {
    for (int i = 0; i < 20; ++i) {
        bool idle = true;
        for (std::uint32_t id = 0; id < queue_count; ++id) {
            const std::uint8_t* const page = host_.memory().at(status_page(id));
            idle = idle &&
                   (card::load_word(page) == tail_[id] ||
                    static_cast<std::uint32_t>(card::load_word(page + 8)) == ACCEL_QUEUE_ERROR);
        }
        if (idle) {
            return;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(10));
    }
}

void Hostile::act(Script& script) {
    auto& host = host_.memory();
    const auto id = static_cast<std::uint32_t>(script.below(queue_count));
    switch (script.below(12)) {
        case 0:
            return place(script, script.take<accel_command>());
        case 1: {  // a command of a list
            const std::uint64_t list = data_ + (params_page + 1 + script.below(3)) * page_size;
            const accel_command c = command(script);
            return card::move_payload(host.at(list + script.below(64) * 64), &c, sizeof c);
        }
        case 2:  // a word of the status page
            return card::store_word(
                host.at(status_page(id)) + 8 * script.below(32),
                script.below(2) == 0 ? tail_[id] + script.below(20) : script.take<std::uint64_t>());
        case 3:
            return host_.doorbell_raw(
                std::uint64_t{script.take<std::uint16_t>()} << script.below(8),
                script.take<std::uint32_t>(), 1U << script.below(4));
        case 4:
            tail_[id] = 0;
            card::store_word(host.at(status_page(id)) + offsetof(accel_queue_status, tail), 0);
            if (!powers_.tables) {
                (void)queue_command(ACCEL_ADMIN_RESET_QUEUE, id);
            } else {  // the answer may never come
                accel_admin_command reset{};
                reset.opcode = ACCEL_ADMIN_RESET_QUEUE;
                reset.id = id;
                (void)host_.post_admin(reset);
            }
            return;
        case 5:
            if (powers_.tables) {
                const std::uint64_t slot = tables_[0][script.below(ACCEL_TABLE_LEVELS)] +
                                           8 * (script.take<std::uint16_t>() % ACCEL_TABLE_ENTRIES);
                std::uint64_t entry = 0;
                (void)host.read_word(slot, entry);
                entry = script.below(2) == 0 ? script.take<std::uint64_t>()
                                             : entry ^ (std::uint64_t{1} << script.below(64));
                (void)host.write_word(slot, entry);
            }
            return;
        case 6:
            if (powers_.registers) {
                return host_.write(std::uint64_t{4} * script.below(160),
                                   script.take<std::uint64_t>(), script.below(2) == 0 ? 4 : 8);
            }
            return;
        case 7:
            if (powers_.registers) {
                (void)host_.post_admin(script.take<accel_admin_command>());
            }
            return;
        default:
            return place(script, command(script));
    }
}

bool Hostile::innocent_works() {
    std::uint8_t* const page = host_.memory().at(other_ + page_size);
    const accel_command nop{};
    for (int i = 0; i < 3; ++i) {
        card::move_payload(host_.memory().at(other_ + tail_[innocent] % ring_length * 64), &nop,
                           sizeof nop);
        card::store_word(page + offsetof(accel_queue_status, tail), ++tail_[innocent]);
        host_.doorbell(innocent, tail_[innocent]);
        if (!eventually([&] { return card::load_word(page) == tail_[innocent]; })) {
            return false;
        }
    }
    return true;
}

std::string Hostile::run(std::span<const std::uint8_t> bytes) {
    if (!begin()) {
        return "the card does not come back from a reset";
    }
    Script script(bytes);
    const std::uint64_t trespasses = host_.memory().trespasses();
    for (int steps = 0; !script.over() && steps < 200; ++steps) {
        act(script);
        settle();
    }
    if (powers_.tables || powers_.registers) {
        // It may have mapped its neighbour and the driver's rings: only a reset must help.
        return begin() && innocent_works() ? "" : "the card does not come back from a reset";
    }
    for (std::uint32_t id = 0; id < queue_count; ++id) {
        if (queue_command(ACCEL_ADMIN_DESTROY_QUEUE, id) != ACCEL_OK) {
            return "a hostile queue cannot be destroyed";
        }
    }
    if (!innocent_works()) {
        return "the queue next door stopped";
    }
    if ((host_.read32(ACCEL_REG_STATUS) & ~ACCEL_STATUS_THROTTLED) !=
        (ACCEL_STATUS_READY | ACCEL_STATUS_ENABLED)) {
        return "the card stopped";
    }
    if (host_.memory().trespasses() != trespasses) {
        return "the card touched memory that nobody mapped";
    }
    return {};
}

}  // namespace accel::test
