// SPDX-License-Identifier: Apache-2.0
//
// Sensors and clock at rest, under load, with a power cap and when too hot; on a clock of the test.
#include "sensors.hpp"
#include "card_fixture.hpp"

namespace accel::test {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

// Drives the sensors of a card whose engines are busy for a share of the time.
class SensorRun {
  public:
    card::Sensors::Reading run(double seconds, double dma, double compute) {
        constexpr std::uint64_t step = second / 100;
        card::Sensors::Reading reading{};
        for (std::uint64_t end = now_ + static_cast<std::uint64_t>(seconds * second); now_ < end;) {
            for (const auto& [meter, load] :
                 {std::pair{meters.data(), dma}, {&meters[1], compute}}) {
                meter->begin(now_);
                meter->end(now_ + static_cast<std::uint64_t>(load * step));
            }
            now_ += step;
            reading = sensors.read(now_);
            hot_events += sensors.overheated(now_) ? 1 : 0;
        }
        return reading;
    }

    card::BusyMeters meters;
    card::Sensors sensors{meters};
    int hot_events = 0;

  private:
    std::uint64_t now_ = second;
};

TEST(Sensors, AnIdleCardIsCoolAndAtFullClock) {
    SensorRun sensor_run;
    const auto reading = sensor_run.run(10, 0, 0);
    EXPECT_EQ(reading.power, 12'000U);
    EXPECT_EQ(reading.clock, card::Sensors::max_clock);
    EXPECT_FALSE(reading.throttled);
    EXPECT_GT(reading.temperature, 35'000);
    EXPECT_LT(reading.temperature, 50'000);
}

TEST(Sensors, LoadRaisesPowerAndTemperatureUntilItEnds) {
    SensorRun sensor_run;
    const auto rest = sensor_run.run(5, 0, 0);
    const auto load = sensor_run.run(10, 0.2, 0.5);
    EXPECT_GT(load.power, rest.power + 20'000);
    EXPECT_GT(load.temperature, rest.temperature + 10'000);
    EXPECT_EQ(load.clock, card::Sensors::max_clock);
    const auto after = sensor_run.run(60, 0, 0);
    EXPECT_NEAR(after.power, rest.power, 200);
    EXPECT_NEAR(after.temperature, rest.temperature, 500);
}

TEST(Sensors, AReachedPowerCapLowersTheClock) {
    SensorRun sensor_run;
    sensor_run.sensors.set_power_cap(30'000);
    auto reading = sensor_run.run(5, 0, 0.1);
    EXPECT_FALSE(reading.throttled);
    reading = sensor_run.run(5, 1, 1);
    EXPECT_TRUE(reading.throttled);
    EXPECT_LT(reading.clock, 500U);
    EXPECT_LE(reading.power, 30'001U);
    sensor_run.sensors.set_power_cap(card::Sensors::power_cap_max);
    reading = sensor_run.run(1, 0.3, 0.3);
    EXPECT_FALSE(reading.throttled);
}

TEST(Sensors, HeatLowersTheClockAndIsReportedOnce) {
    SensorRun sensor_run;
    auto reading = sensor_run.run(60, 1, 1);
    EXPECT_GE(sensor_run.hot_events, 1);
    EXPECT_LT(reading.temperature, 95'000);
    const int events = sensor_run.hot_events;
    reading = sensor_run.run(60, 0, 0);
    EXPECT_FALSE(reading.throttled);
    EXPECT_EQ(sensor_run.hot_events, events);
}

TEST(Sensors, TwoReadingsAtOneTimeAreEqual) {
    SensorRun sensor_run;
    (void)sensor_run.run(1, 1, 1);
    const auto a = sensor_run.sensors.read(5 * second);
    const auto b = sensor_run.sensors.read(5 * second);
    EXPECT_EQ(a.power, b.power);
    EXPECT_EQ(a.temperature, b.temperature);
}

class SensorRegisters : public CardTest {};

TEST_F(SensorRegisters, ShowTheReadings) {
    EXPECT_EQ(host.read32(ACCEL_REG_CORE_CLOCK), card::Sensors::max_clock);
    const auto celsius = static_cast<std::int32_t>(host.read32(ACCEL_REG_TEMPERATURE));
    EXPECT_GT(celsius, 20'000);
    EXPECT_LT(celsius, 100'000);
    EXPECT_GE(host.read32(ACCEL_REG_POWER), 12'000U);
    EXPECT_EQ(host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_THROTTLED, 0U);
}

TEST_F(SensorRegisters, AHotCardRaisesAnEvent) {
    ACCEL_NEEDS_THREADS(host);
    const std::uint64_t page = space.allocate(page_size);
    accel_reduce p{};
    p.type = ACCEL_TYPE_F32;
    p.outer = p.n = p.inner = 1;
    Queue other(space, 1);
    int throttled = 0;
    // Both engines are stalled in a command while the clock advances by a minute.
    {
        Stall stall(space, page);
        queue.submit(fill(page, 1, 1, 1));
        other.submit(tensor_command(ACCEL_OP_SOFTMAX, {.dst = page, .src0 = page}, p));
        ASSERT_TRUE(stall.wait_until_stalled(2));
        for (int i = 0; i < 600; ++i) {
            host.advance_clock(second / 10);
            if ((host.read32(ACCEL_REG_STATUS) & ACCEL_STATUS_THROTTLED) != 0) {
                ++throttled;
                EXPECT_GT(host.read32(ACCEL_REG_TEMPERATURE), 80'000U);
                EXPECT_LT(host.read32(ACCEL_REG_CORE_CLOCK), card::Sensors::max_clock);
            }
        }
    }
    EXPECT_GT(throttled, 0);
    const auto event = host.next_event();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->type, ACCEL_EVENT_THERMAL);
    EXPECT_EQ(event->queue, ACCEL_NO_ID);
    EXPECT_EQ(event->status, ACCEL_OK);
}

}  // namespace
}  // namespace accel::test
