// SPDX-License-Identifier: Apache-2.0
//
// Files of compiled models: the same results, and a reason for each file that is refused.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>

#include "accel/model.hpp"
#include "fixture.hpp"
#include "ir/fingerprint.hpp"
#include "suite.hpp"

namespace accel::test {
namespace {

class CompiledModelFile : public SdkTest {
  protected:
    static std::string source() { return std::string(FASHION_MODELS) + "fashion-cnn.onnx"; }
    static std::string file() { return std::string(MODEL_RESULTS) + "compiled.accel"; }

    static std::vector<std::byte> read() {
        std::ifstream in(file(), std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
        const auto* const first = reinterpret_cast<const std::byte*>(bytes.data());
        return {first, first + bytes.size()};
    }
    static void write(std::span<const std::byte> bytes) {
        std::ofstream(file(), std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
    }

    // Corrects the checksum.
    static void update_checksum(std::vector<std::byte>& bytes) {
        constexpr std::size_t at = 32;
        const std::uint64_t sum = compiler::fingerprint(std::span(bytes).subspan(at + sizeof sum));
        std::memcpy(&bytes[at], &sum, sizeof sum);
    }

    // Changes the description at random, and loads and runs the file. Returns the number of files
    // that loaded.
    static int fuzz(const Device& device) {
        const std::vector<std::byte> good = read();
        std::mt19937 random(3);
        std::uint64_t description = 0;
        std::memcpy(&description, &good.at(16), sizeof description);
        constexpr std::size_t head = 40;
        int loaded = 0;
        for (int round = 0; round < 400; ++round) {
            std::vector<std::byte> bytes = good;
            for (int i = 0; i < 1 + round % 3; ++i) {
                bytes[head + random() % description] = static_cast<std::byte>(random());
            }
            update_checksum(bytes);
            write(bytes);
            try {
                const Model changed = Model::load(device, file());
                ++loaded;
                Queue own = device.create_queue();
                static_cast<void>(changed.run(own, some_input(changed)));
            } catch (const Error&) {
                continue;
            }
        }
        return loaded;
    }

    static std::vector<TensorData> some_input(const Model& net) {
        if (net.inputs().empty()) {
            return {};
        }
        const TensorInfo& info = net.inputs()[0];
        TensorData data{info.type, info.shape, std::vector<std::byte>(info.bytes())};
        std::minstd_rand random(5);
        for (std::size_t i = 0; i + sizeof(float) <= data.bytes.size(); i += sizeof(float)) {
            const auto x = static_cast<float>(random() % 256) / 255;
            std::memcpy(&data.bytes[i], &x, sizeof x);
        }
        return {data};
    }
};

TEST_F(CompiledModelFile, HasTheSameResultsAndDescription) {
    const Device device = open();
    Queue queue = device.create_queue();
    const Model before = Model::load(device, source(), {.batch = 3});
    before.save(file());
    const Model after = Model::load(device, file());
    const auto inputs = some_input(before);
    EXPECT_EQ(after.run(queue, inputs).at(0).bytes, before.run(queue, inputs).at(0).bytes);
    ASSERT_EQ(after.inputs().size(), 1U);
    EXPECT_EQ(after.inputs()[0].name, "image");
    EXPECT_EQ(after.inputs()[0].shape, before.inputs()[0].shape);
    EXPECT_EQ(after.outputs()[0].name, "logits");
    EXPECT_EQ(after.memory().weights, before.memory().weights);
    EXPECT_EQ(after.memory().peak, before.memory().peak);
    ASSERT_EQ(after.commands().size(), before.commands().size());
    EXPECT_EQ(after.commands()[0].node, before.commands()[0].node);
    std::vector<std::uint64_t> ticks;
    EXPECT_EQ(after.profile(queue, inputs, ticks).at(0).bytes,
              before.run(queue, inputs).at(0).bytes);
    EXPECT_EQ(ticks.size(), after.commands().size());
    std::vector<CompletionRecord> records;
    EXPECT_EQ(after.profile(queue, inputs, records).at(0).bytes,
              before.run(queue, inputs).at(0).bytes);
    ASSERT_EQ(records.size(), after.commands().size());
    for (std::size_t i = 0; i < records.size(); ++i) {
        EXPECT_LE(records[i].start, records[i].end);
        EXPECT_TRUE(i == 0 || records[i - 1].end <= records[i].start);
    }
}

TEST_F(CompiledModelFile, HasTheSameResultsForEveryModelOfTheSuite) {
    const Device device = open();
    Queue queue = device.create_queue();
    std::vector<Verdict> verdicts;
    for (const auto& folder : find_models(suite_folder)) {
        verdicts.push_back(judge(device, queue, folder, {.saved = file()}));
        EXPECT_NE(verdicts.back().outcome, Outcome::wrong)
            << verdicts.back().name << ": " << verdicts.back().detail;
    }
    EXPECT_GE(std::ranges::count(verdicts, Outcome::passed, &Verdict::outcome), 600);
}

TEST_F(CompiledModelFile, IsRefusedWithAReason) {
    const Device device = open();
    Model::load(device, source()).save(file());
    const std::vector<std::byte> good = read();
    const auto refused = [&](std::vector<std::byte> bytes) {
        write(bytes);
        return error_of([&] { static_cast<void>(Model::load(device, file())); });
    };
    const auto changed = [&](std::size_t at, int value) {
        std::vector<std::byte> bytes = good;
        bytes.at(at) = static_cast<std::byte>(value);
        return bytes;
    };
    expect_says(refused(changed(8, 99)), file(), "format 99", "compile the model again");
    expect_says(refused(changed(14, 7)), file(), "version 7", "hardware interface");
    EXPECT_EQ(refused(changed(8, 99)).errc(), std::errc::invalid_argument);
    expect_says(refused(changed(good.size() - 1, 0x5a)), file(), "damaged");
    EXPECT_EQ(refused(changed(good.size() - 1, 0x5a)).errc(), std::errc::bad_message);
    expect_says(refused({good.begin(), good.end() - 1}), file(), "copy the file again");
    expect_says(refused({good.begin(), good.begin() + 12}), file(), "copy the file again");
    expect_says(refused({}), file(), "the file is empty");
    EXPECT_EQ(refused({}).errc(), std::errc::bad_message);
    write(good);
    expect_says(error_of([&] { static_cast<void>(Model::load(device, file(), {.batch = 2})); }),
                file(), "compile it again");
    static_cast<void>(Model::load(device, file()));
}

TEST_F(CompiledModelFile, CannotBeWrittenToAMissingFolder) {
    const Device device = open();
    expect_says(error_of([&] { Model::load(device, source()).save("/nowhere/x.accel"); }),
                "/nowhere/x.accel", "there is no folder /nowhere");
}

TEST_F(CompiledModelFile, IsWrittenThroughALinkAndToADevice) {
    namespace fs = std::filesystem;
    const Device device = open();
    const Model model = Model::load(device, source());
    const fs::path link = file() + ".link";
    fs::remove(link);
    fs::create_symlink(fs::path(file()).filename(), link);
    model.save(link);
    EXPECT_TRUE(fs::is_symlink(link));
    static_cast<void>(Model::load(device, file()));
    model.save("/dev/null");
    EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

// An attacker can compute the checksum. Any file either loads or throws Error, and never affects
// other models.
TEST_F(CompiledModelFile, WithAnyContentAffectsNoOtherModel) {
    const Device device = open();
    Queue queue = device.create_queue();
    const Model net = Model::load(device, source());
    const auto inputs = some_input(net);
    const auto expected = net.run(queue, inputs).at(0).bytes;
    const std::string with_fallback =
        std::string(suite_folder) + "/node/test_nonzero_example/model.onnx";
    for (const Model& original :
         {net, Model::load(device, with_fallback, {.host_fallback = true})}) {
        original.save(file());
        EXPECT_GT(fuzz(device), 0) << "no changed file loaded";
    }
    EXPECT_EQ(net.run(queue, inputs).at(0).bytes, expected);
}

}  // namespace
}  // namespace accel::test
