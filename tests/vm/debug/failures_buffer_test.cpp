// SPDX-License-Identifier: Apache-2.0
//
// Failures in ioctls: every call of the interface once, and buffers of all kinds and sizes.
#include <drm.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "card.hpp"
#include "failures.hpp"
#include "ioctl_calls.hpp"

namespace {

using uapi::FailureCase;
using uapi::File;
using uapi::Operation;
using uapi::page;

constexpr std::size_t some_bytes = 64 << 10;
constexpr std::size_t many_bytes = (3 << 20) + page;

/// Any call of the interface, with an argument with which it succeeds.
class AnyCall : public Operation {
  public:
    explicit AnyCall(const uapi::Call& call) : call_(call) {}

    void prepare() override {
        if (argument_.empty()) {
            argument_ = fixture_.valid_argument(call_);
        }
        used_ = argument_;
    }
    int attempt() override { return fixture_.file().raw(call_.request, used_.data()); }
    void undo() override {
        fixture_.undo(call_, used_);
        argument_.clear();
    }

  private:
    const uapi::Call& call_;
    uapi::CallFixture fixture_;
    uapi::Argument argument_;
    uapi::Argument used_;
};

/// The operations below make a buffer in a file whose context exists.
class MakeBuffer : public Operation {
  public:
    void undo() override {
        accel_buffer_destroy destroy{};
        destroy.handle = handle_;
        uapi::require(file_.call(ACCEL_IOCTL_BUFFER_DESTROY, destroy), "BUFFER_DESTROY");
    }

  protected:
    explicit MakeBuffer(const std::string& node) : file_(node) {}
    [[nodiscard]] const File& file() const { return file_; }
    void made(std::uint32_t handle) { handle_ = handle; }

  private:
    File file_;
    uapi::Buffer first_{file_, page};
    std::uint32_t handle_ = 0;
};

std::string node(std::size_t card) {
    return uapi::Card(card).node();
}

class Create : public MakeBuffer {
  public:
    Create(std::uint32_t flags, std::size_t bytes)
        : MakeBuffer(node(0)), flags_(flags), bytes_(bytes) {}

    int attempt() override {
        accel_buffer_create create{};
        create.flags = flags_;
        create.bytes = bytes_;
        const int error = file().call(ACCEL_IOCTL_BUFFER_CREATE, create);
        made(create.handle);
        return error;
    }

  private:
    std::uint32_t flags_;
    std::size_t bytes_;
};

class Register : public MakeBuffer {
  public:
    Register(std::size_t bytes, bool touched)
        : MakeBuffer(node(0)), memory_(uapi::Mapping::anonymous(bytes)) {
        if (touched) {
            std::memset(memory_.data(), 1, bytes);
        }
    }
    /// The card only reads a file of the initramfs.
    explicit Register(const char* path) : MakeBuffer(node(0)), flags_(uapi::readable) {
        const uapi::Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
        memory_ = uapi::Mapping(file.get(), 0, some_bytes, PROT_READ);
    }

    int attempt() override {
        accel_buffer_register registration{};
        registration.flags = flags_;
        registration.pointer = reinterpret_cast<std::uintptr_t>(memory_.data());
        registration.bytes = memory_.size();
        const int error = file().call(ACCEL_IOCTL_BUFFER_REGISTER, registration);
        made(registration.handle);
        return error;
    }

  private:
    uapi::Mapping memory_;
    std::uint32_t flags_ = uapi::host;
};

/// BUFFER_DESTROY of a buffer of each kind.
class Destroy : public Operation {
  public:
    explicit Destroy(std::uint32_t flags) : flags_(flags) {}

    void prepare() override {
        if (handle_ != 0) {
            return;
        }
        accel_buffer_create create{};
        create.flags = flags_;
        create.bytes = some_bytes;
        uapi::require(file_.call(ACCEL_IOCTL_BUFFER_CREATE, create), "BUFFER_CREATE");
        handle_ = create.handle;
    }
    int attempt() override { return destroy(file_, handle_); }
    void undo() override { handle_ = 0; }

  protected:
    [[nodiscard]] static int destroy(const File& file, std::uint32_t handle) {
        accel_buffer_destroy argument{};
        argument.handle = handle;
        return file.call(ACCEL_IOCTL_BUFFER_DESTROY, argument);
    }

  private:
    File file_;
    uapi::Buffer first_{file_, page};
    std::uint32_t flags_;
    std::uint32_t handle_ = 0;
};

class DestroyRegistration : public Operation {
  public:
    void prepare() override {
        if (handle_ != 0) {
            return;
        }
        accel_buffer_register registration{};
        registration.flags = uapi::host;
        registration.pointer = reinterpret_cast<std::uintptr_t>(memory_.data());
        registration.bytes = memory_.size();
        uapi::require(file_.call(ACCEL_IOCTL_BUFFER_REGISTER, registration), "BUFFER_REGISTER");
        handle_ = registration.handle;
    }
    int attempt() override {
        accel_buffer_destroy argument{};
        argument.handle = handle_;
        return file_.call(ACCEL_IOCTL_BUFFER_DESTROY, argument);
    }
    void undo() override { handle_ = 0; }

  private:
    File file_;
    uapi::Buffer first_{file_, page};
    uapi::Mapping memory_ = uapi::Mapping::anonymous(some_bytes);
    std::uint32_t handle_ = 0;
};

class Export : public Operation {
  public:
    Export(std::uint32_t memory, std::uint32_t flags)
        : buffer_(file_, some_bytes, memory), flags_(flags) {}

    int attempt() override {
        accel_buffer_export share{};
        share.handle = buffer_.handle();
        share.flags = flags_;
        const int error = file_.call(ACCEL_IOCTL_BUFFER_EXPORT, share);
        fd_ = share.fd;
        return error;
    }
    void undo() override { ::close(fd_); }

  private:
    File file_;
    uapi::Buffer buffer_;
    std::uint32_t flags_;
    int fd_ = -1;
};

/// An import of a dma-buf into a file of a card.
class Import : public MakeBuffer {
  public:
    int attempt() override {
        accel_buffer_import import{};
        import.flags = uapi::host;
        import.fd = dmabuf_.get();
        const int error = file().call(ACCEL_IOCTL_BUFFER_IMPORT, import);
        made(import.handle);
        return error;
    }

  protected:
    explicit Import(std::size_t card) : MakeBuffer(node(card)) {}
    void from(uapi::Descriptor dmabuf) { dmabuf_ = std::move(dmabuf); }

  private:
    uapi::Descriptor dmabuf_;
};

/// Of a buffer of the first card.
class ImportBuffer : public Import {
  public:
    ImportBuffer(std::size_t card, std::uint32_t memory)
        : Import(card), buffer_(exporter_, some_bytes, memory) {
        from(buffer_.export_dmabuf());
    }

  private:
    File exporter_{node(0)};
    uapi::Buffer buffer_;
};

class ImportUdmabuf : public Import {
  public:
    ImportUdmabuf() : Import(0) {
        const uapi::Descriptor memory(::memfd_create("failures", MFD_ALLOW_SEALING | MFD_CLOEXEC));
        uapi::require(::ftruncate(memory.get(), some_bytes) == 0 ? 0 : errno, "ftruncate");
        uapi::require(::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0 ? 0 : errno,
                      "F_ADD_SEALS");
        const uapi::Descriptor maker(::open("/dev/udmabuf", O_RDWR | O_CLOEXEC));
        udmabuf_create create{};
        create.memfd = static_cast<std::uint32_t>(memory.get());
        create.flags = UDMABUF_FLAGS_CLOEXEC;
        create.size = some_bytes;
        uapi::Descriptor dmabuf(::ioctl(maker.get(), UDMABUF_CREATE, &create));
        uapi::require(dmabuf.get() >= 0 ? 0 : errno, "udmabuf");
        from(std::move(dmabuf));
    }
};

class ImportVgem : public Import {
  public:
    ImportVgem() : Import(0) {
        for (const auto& entry : std::filesystem::directory_iterator("/dev/dri")) {
            if (entry.path().filename().string().starts_with("card")) {
                vgem_ = uapi::Descriptor(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
            }
        }
        drm_mode_create_dumb create{};
        create.width = some_bytes / 4;
        create.height = 1;
        create.bpp = 32;
        uapi::require(::ioctl(vgem_.get(), DRM_IOCTL_MODE_CREATE_DUMB, &create) == 0 ? 0 : errno,
                      "a buffer of vgem");
        drm_prime_handle prime{};
        prime.handle = create.handle;
        prime.flags = DRM_RDWR | DRM_CLOEXEC;
        uapi::require(::ioctl(vgem_.get(), DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime) == 0 ? 0 : errno,
                      "a dma-buf of vgem");
        from(uapi::Descriptor(prime.fd));
    }

  private:
    uapi::Descriptor vgem_;
};

std::vector<FailureCase> call_cases() {
    std::vector<FailureCase> cases;
    for (const uapi::Call& call : uapi::every_call()) {
        cases.push_back(
            {.name = call.name, .make = [&call] { return std::make_unique<AnyCall>(call); }});
    }
    return cases;
}

}  // namespace

namespace uapi {

INSTANTIATE_TEST_SUITE_P(Call, Failure, testing::ValuesIn(call_cases()), test_name);

INSTANTIATE_TEST_SUITE_P(
    Buffer, Failure,
    testing::Values(failure_case<Create>("create host buffer, 64 KiB", host, some_bytes),
                    failure_case<Create>("create host buffer, 3 MiB", host, many_bytes),
                    failure_case<Create>("create device buffer, 64 KiB", device, some_bytes),
                    failure_case<Create>("create device buffer, 3 MiB", device, many_bytes),
                    failure_case<Register>("register untouched memory, 64 KiB", some_bytes, false),
                    failure_case<Register>("register touched memory, 3 MiB", many_bytes, true),
                    failure_case<Register>("register a file, read-only", "/bin/busybox"),
                    failure_case<Destroy>("destroy host buffer", host),
                    failure_case<Destroy>("destroy device buffer", device),
                    failure_case<DestroyRegistration>("destroy registered memory"),
                    failure_case<Export>("export host buffer", host, 0U),
                    failure_case<Export>("export device buffer, revocable", device,
                                         std::uint32_t{ACCEL_EXPORT_REVOKE}),
                    failure_case<ImportBuffer>("import the card's host buffer", 0UL, host),
                    failure_case<ImportBuffer>("import the card's device buffer", 0UL, device),
                    failure_case<ImportBuffer>("import another card's host buffer", 1UL, host),
                    failure_case<ImportBuffer>("import another card's device buffer", 1UL, device),
                    failure_case<ImportUdmabuf>("import a udmabuf"),
                    failure_case<ImportVgem>("import a buffer of vgem")),
    test_name);

}  // namespace uapi
