// SPDX-License-Identifier: Apache-2.0
//
// The PCI Express capability: the device, its link, and the negotiated speed and width, in
// the format of lspci -vv.
extern "C" {
#include <pci/header.h>
}

#include <fmt/core.h>

#include <array>

#include "capabilities.hpp"

namespace accel::tools::ls {

namespace {

using Lines = std::vector<std::string>;

std::string type_text(unsigned cap) {
    const unsigned type = (cap & PCI_EXP_FLAGS_TYPE) >> 4;
    switch (type) {
        case PCI_EXP_TYPE_ENDPOINT:
            return "Endpoint";
        case PCI_EXP_TYPE_LEG_END:
            return "Legacy Endpoint";
        case PCI_EXP_TYPE_ROOT_PORT:
            return fmt::format("Root Port (Slot{})", (cap & PCI_EXP_FLAGS_SLOT) != 0 ? '+' : '-');
        case PCI_EXP_TYPE_ROOT_INT_EP:
            return "Root Complex Integrated Endpoint";
        default:
            return fmt::format("Unknown type {:x}", type);
    }
}

std::string latency(unsigned code, const std::array<const char*, 8>& names) {
    return names.at(code & 7U);
}

constexpr std::array<const char*, 8> l0s_latency{"<64ns", "<128ns", "<256ns", "<512ns",
                                                 "<1us",  "<2us",   "<4us",   "unlimited"};
constexpr std::array<const char*, 8> l1_latency{"<1us",  "<2us",  "<4us",  "<8us",
                                                "<16us", "<32us", "<64us", "unlimited"};

void device(const Function& f, unsigned at, Lines& lines) {
    const std::uint32_t cap = f.dword(at + PCI_EXP_DEVCAP);
    const std::uint16_t control = f.word(at + PCI_EXP_DEVCTL);
    const std::uint16_t status = f.word(at + PCI_EXP_DEVSTA);
    lines.push_back(fmt::format("DevCap:\tMaxPayload {} bytes, PhantFunc {}, Latency L0s {}, L1 {}",
                                128 << (cap & PCI_EXP_DEVCAP_PAYLOAD),
                                (1U << ((cap & PCI_EXP_DEVCAP_PHANTOM) >> 3)) - 1,
                                latency((cap & PCI_EXP_DEVCAP_L0S) >> 6, l0s_latency),
                                latency((cap & PCI_EXP_DEVCAP_L1) >> 9, l1_latency)));
    constexpr std::array scales{1.0, 0.1, 0.01, 0.001};
    lines.push_back(fmt::format(
        "\t{} SlotPowerLimit {:g}W",
        flags(cap, {{PCI_EXP_DEVCAP_EXT_TAG, "ExtTag"},
                    {PCI_EXP_DEVCAP_ATN_BUT, "AttnBtn"},
                    {PCI_EXP_DEVCAP_ATN_IND, "AttnInd"},
                    {PCI_EXP_DEVCAP_PWR_IND, "PwrInd"},
                    {PCI_EXP_DEVCAP_RBE, "RBE"},
                    {PCI_EXP_DEVCAP_FLRESET, "FLReset"}}),
        ((cap & PCI_EXP_DEVCAP_PWR_VAL) >> 18) * scales.at((cap & PCI_EXP_DEVCAP_PWR_SCL) >> 26)));
    lines.push_back("DevCtl:\t" + flags(control, {{PCI_EXP_DEVCTL_CERE, "CorrErr"},
                                                  {PCI_EXP_DEVCTL_NFERE, "NonFatalErr"},
                                                  {PCI_EXP_DEVCTL_FERE, "FatalErr"},
                                                  {PCI_EXP_DEVCTL_URRE, "UnsupReq"}}));
    lines.push_back("\t" +
                    flags(control, {{PCI_EXP_DEVCTL_RELAXED, "RlxdOrd"},
                                    {PCI_EXP_DEVCTL_EXT_TAG, "ExtTag"},
                                    {PCI_EXP_DEVCTL_PHANTOM, "PhantFunc"},
                                    {PCI_EXP_DEVCTL_AUX_PME, "AuxPwr"},
                                    {PCI_EXP_DEVCTL_NOSNOOP, "NoSnoop"}}) +
                    ((cap & PCI_EXP_DEVCAP_FLRESET) != 0
                         ? " " + flags(control, {{PCI_EXP_DEVCTL_FLRESET, "FLReset"}})
                         : ""));
    lines.push_back(fmt::format("\tMaxPayload {} bytes, MaxReadReq {} bytes",
                                128 << ((control & PCI_EXP_DEVCTL_PAYLOAD) >> 5),
                                128 << ((control & PCI_EXP_DEVCTL_READRQ) >> 12)));
    lines.push_back("DevSta:\t" + flags(status, {{PCI_EXP_DEVSTA_CED, "CorrErr"},
                                                 {PCI_EXP_DEVSTA_NFED, "NonFatalErr"},
                                                 {PCI_EXP_DEVSTA_FED, "FatalErr"},
                                                 {PCI_EXP_DEVSTA_URD, "UnsupReq"},
                                                 {PCI_EXP_DEVSTA_AUXPD, "AuxPwr"},
                                                 {PCI_EXP_DEVSTA_TRPND, "TransPend"}}));
}

void link(const Function& f, unsigned at, Lines& lines) {
    const std::uint32_t cap = f.dword(at + PCI_EXP_LNKCAP);
    const std::uint16_t control = f.word(at + PCI_EXP_LNKCTL);
    const std::uint16_t status = f.word(at + PCI_EXP_LNKSTA);
    constexpr std::array aspm{"not supported", "L0s", "L1", "L0s L1"};
    constexpr std::array enabled{"Disabled", "L0s Enabled", "L1 Enabled", "L0s L1 Enabled"};
    const unsigned states = (cap & PCI_EXP_LNKCAP_ASPM) >> 10;
    std::string exit;
    if (states != 0) {
        exit = ", Exit Latency";
        exit += (states & 1U) != 0
                    ? " L0s " + latency((cap & PCI_EXP_LNKCAP_L0S) >> 12, l0s_latency)
                    : "";
        exit += (states & 3U) == 3 ? "," : "";
        exit +=
            (states & 2U) != 0 ? " L1 " + latency((cap & PCI_EXP_LNKCAP_L1) >> 15, l1_latency) : "";
    }
    const unsigned speed = cap & PCI_EXP_LNKCAP_SPEED;
    const unsigned width = (cap & PCI_EXP_LNKCAP_WIDTH) >> 4;
    lines.push_back(fmt::format("LnkCap:\tPort #{}, Speed {}, Width x{}, ASPM {}{}", cap >> 24,
                                speed_text(speed), width, aspm.at(states), exit));
    lines.push_back("\t" + flags(cap, {{PCI_EXP_LNKCAP_CLOCKPM, "ClockPM"},
                                       {PCI_EXP_LNKCAP_SURPRISE, "Surprise"},
                                       {PCI_EXP_LNKCAP_DLLA, "LLActRep"},
                                       {PCI_EXP_LNKCAP_LBNC, "BwNot"},
                                       {PCI_EXP_LNKCAP_AOC, "ASPMOptComp"}}));
    lines.push_back(fmt::format(
        "LnkCtl:\tASPM {}; RCB {} bytes, {}", enabled.at(control & PCI_EXP_LNKCTL_ASPM),
        (control & PCI_EXP_LNKCTL_RCB) != 0 ? 128 : 64,
        flags(control, {{PCI_EXP_LNKCTL_DISABLE, "Disabled"}, {PCI_EXP_LNKCTL_CLOCK, "CommClk"}})));
    lines.push_back("\t" + flags(control, {{PCI_EXP_LNKCTL_XSYNCH, "ExtSynch"},
                                           {PCI_EXP_LNKCTL_CLOCKPM, "ClockPM"},
                                           {PCI_EXP_LNKCTL_HWAUTWD, "AutWidDis"},
                                           {PCI_EXP_LNKCTL_BWMIE, "BWInt"},
                                           {PCI_EXP_LNKCTL_AUTBWIE, "AutBWInt"}}));
    const unsigned now = status & PCI_EXP_LNKSTA_SPEED;
    const unsigned lanes = (status & PCI_EXP_LNKSTA_WIDTH) >> 4;
    lines.push_back(fmt::format("LnkSta:\tSpeed {}{}, Width x{}{}", speed_text(now),
                                now < speed ? " (downgraded)" : "", lanes,
                                lanes < width ? " (downgraded)" : ""));
    lines.push_back("\t" + flags(status, {{PCI_EXP_LNKSTA_TR_ERR, "TrErr"},
                                          {PCI_EXP_LNKSTA_TRAIN, "Train"},
                                          {PCI_EXP_LNKSTA_SL_CLK, "SlotClk"},
                                          {PCI_EXP_LNKSTA_DL_ACT, "DLActive"},
                                          {PCI_EXP_LNKSTA_BWMGMT, "BWMgmt"},
                                          {PCI_EXP_LNKSTA_AUTBW, "ABWMgmt"}}));
}

// "2.5-16GT/s": the slowest and the fastest speed of Link Capabilities 2.
std::string supported_speeds(std::uint32_t cap) {
    unsigned slowest = 0;
    unsigned fastest = 0;
    for (unsigned code = 1; code <= 6; ++code) {
        if ((cap >> code & 1U) != 0) {
            slowest = slowest == 0 ? code : slowest;
            fastest = code;
        }
    }
    if (slowest == fastest) {
        return fastest == 0 ? "unknown" : speed_text(fastest);
    }
    const std::string text = speed_text(slowest);
    return fmt::format("{}-{}", text.substr(0, text.find("GT/s")), speed_text(fastest));
}

void link2(const Function& f, unsigned at, Lines& lines) {
    const std::uint32_t cap = f.dword(at + PCI_EXP_LNKCAP2);
    const std::uint16_t control = f.word(at + PCI_EXP_LNKCTL2);
    const std::string speeds = supported_speeds(cap);
    lines.push_back(fmt::format(
        "LnkCap2: Supported Link Speeds: {}, Crosslink{} {}", speeds,
        (cap >> 8 & 1U) != 0 ? "+" : "-",
        flags(cap, {{1U << 23, "Retimer"}, {1U << 24, "2Retimers"}, {1U << 31, "DRS"}})));
    lines.push_back(fmt::format(
        "LnkCtl2: Target Link Speed: {}, {}", speed_text(control & PCI_EXP_LNKCTL2_SPEED(0xf)),
        flags(control, {{1U << 4, "EnterCompliance"}, {1U << 5, "SpeedDis"}})));
}

}  // namespace

std::vector<std::string> describe_express(const Function& f, unsigned at, int verbose) {
    const std::uint16_t cap = f.word(at + PCI_EXP_FLAGS);
    const unsigned version = cap & PCI_EXP_FLAGS_VERS;
    Lines lines{fmt::format("Express {}{}, MSI {:02x}",
                            verbose >= 2 ? fmt::format("(v{}) ", version) : "", type_text(cap),
                            (cap & PCI_EXP_FLAGS_IRQ) >> 9)};
    if (verbose < 2) {
        return lines;
    }
    device(f, at, lines);
    link(f, at, lines);
    if (version >= 2) {
        link2(f, at, lines);
    }
    return lines;
}

}  // namespace accel::tools::ls
