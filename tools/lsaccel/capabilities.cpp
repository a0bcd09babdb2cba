// SPDX-License-Identifier: Apache-2.0
#include "capabilities.hpp"

#include <fmt/core.h>

extern "C" {
#include <pci/header.h>
}

#include <array>

namespace accel::tools::ls {

namespace {

using Lines = std::vector<std::string>;

std::string size_text(std::uint64_t size) {
    constexpr std::array units{"", "K", "M", "G", "T", "P"};
    std::size_t unit = 0;
    while (size >= 1024 && size % 1024 == 0 && unit + 1 < units.size()) {
        size /= 1024;
        ++unit;
    }
    return fmt::format("{}{}", size, units.at(unit));
}

Lines describe_power(const Function& f, unsigned at, int verbose) {
    const std::uint16_t cap = f.word(at + PCI_CAP_FLAGS);
    const std::uint16_t control = f.word(at + PCI_PM_CTRL);
    Lines lines{fmt::format("Power Management version {}", cap & PCI_PM_CAP_VER_MASK)};
    if (verbose < 2) {
        return lines;
    }
    constexpr std::array currents{0, 55, 100, 160, 220, 270, 320, 375};
    lines.push_back(fmt::format("Flags: {} AuxCurrent={}mA PME({})",
                                flags(cap, {{PCI_PM_CAP_PME_CLOCK, "PMEClk"},
                                            {PCI_PM_CAP_DSI, "DSI"},
                                            {PCI_PM_CAP_D1, "D1"},
                                            {PCI_PM_CAP_D2, "D2"}}),
                                currents.at((cap & PCI_PM_CAP_AUX_C_MASK) >> 6),
                                flags(cap,
                                      {{PCI_PM_CAP_PME_D0, "D0"},
                                       {PCI_PM_CAP_PME_D1, "D1"},
                                       {PCI_PM_CAP_PME_D2, "D2"},
                                       {PCI_PM_CAP_PME_D3_HOT, "D3hot"},
                                       {PCI_PM_CAP_PME_D3_COLD, "D3cold"}},
                                      ",")));
    lines.push_back(fmt::format(
        "Status: D{} {} DSel={} DScale={} {}", control & PCI_PM_CTRL_STATE_MASK,
        flags(control,
              {{PCI_PM_CTRL_NO_SOFT_RST, "NoSoftRst"}, {PCI_PM_CTRL_PME_ENABLE, "PME-Enable"}}),
        (control & PCI_PM_CTRL_DATA_SEL_MASK) >> 9, (control & PCI_PM_CTRL_DATA_SCALE_MASK) >> 13,
        flags(control, {{PCI_PM_CTRL_PME_STATUS, "PME"}})));
    return lines;
}

Lines describe_msix(const Function& f, unsigned at, int verbose) {
    const std::uint16_t control = f.word(at + PCI_CAP_FLAGS);
    Lines lines{fmt::format("MSI-X: {} Count={} {}", flags(control, {{PCI_MSIX_ENABLE, "Enable"}}),
                            (control & PCI_MSIX_TABSIZE) + 1,
                            flags(control, {{PCI_MSIX_MASK, "Masked"}}))};
    if (verbose < 2) {
        return lines;
    }
    const std::uint32_t table = f.dword(at + PCI_MSIX_TABLE);
    const std::uint32_t pending = f.dword(at + PCI_MSIX_PBA);
    lines.push_back(fmt::format("Vector table: BAR={} offset={:08x}", table & PCI_MSIX_BIR,
                                table & ~PCI_MSIX_BIR));
    lines.push_back(
        fmt::format("PBA: BAR={} offset={:08x}", pending & PCI_MSIX_BIR, pending & ~PCI_MSIX_BIR));
    return lines;
}

Lines describe_errors(const Function& f, unsigned at, int verbose) {
    Lines lines{"Advanced Error Reporting"};
    if (verbose < 2) {
        return lines;
    }
    static const std::vector<Bit> uncorrectable{
        {PCI_ERR_UNC_DLP, "DLP"},           {PCI_ERR_UNC_SDES, "SDES"},
        {PCI_ERR_UNC_POISON_TLP, "TLP"},    {PCI_ERR_UNC_FCP, "FCP"},
        {PCI_ERR_UNC_COMP_TIME, "CmpltTO"}, {PCI_ERR_UNC_COMP_ABORT, "CmpltAbrt"},
        {PCI_ERR_UNC_UNX_COMP, "UnxCmplt"}, {PCI_ERR_UNC_RX_OVER, "RxOF"},
        {PCI_ERR_UNC_MALF_TLP, "MalfTLP"},  {PCI_ERR_UNC_ECRC, "ECRC"},
        {PCI_ERR_UNC_UNSUP, "UnsupReq"},    {PCI_ERR_UNC_ACS_VIOL, "ACSViol"}};
    static const std::vector<Bit> correctable{
        {PCI_ERR_COR_RCVR, "RxErr"},        {PCI_ERR_COR_BAD_TLP, "BadTLP"},
        {PCI_ERR_COR_BAD_DLLP, "BadDLLP"},  {PCI_ERR_COR_REP_ROLL, "Rollover"},
        {PCI_ERR_COR_REP_TIMER, "Timeout"}, {PCI_ERR_COR_REP_ANFE, "AdvNonFatalErr"}};
    const auto add = [&](const char* name, unsigned offset, const std::vector<Bit>& bits) {
        lines.push_back(fmt::format("{}:\t{}", name, flags(f.dword(at + offset), bits)));
    };
    add("UESta", PCI_ERR_UNCOR_STATUS, uncorrectable);
    add("UEMsk", PCI_ERR_UNCOR_MASK, uncorrectable);
    add("UESvrt", PCI_ERR_UNCOR_SEVER, uncorrectable);
    add("CESta", PCI_ERR_COR_STATUS, correctable);
    add("CEMsk", PCI_ERR_COR_MASK, correctable);
    const std::uint32_t control = f.dword(at + PCI_ERR_CAP);
    lines.push_back(fmt::format("AERCap:\tFirst Error Pointer: {:02x}, {}",
                                PCI_ERR_CAP_FEP(control),
                                flags(control, {{PCI_ERR_CAP_ECRC_GENC, "ECRCGenCap"},
                                                {PCI_ERR_CAP_ECRC_GENE, "ECRCGenEn"},
                                                {PCI_ERR_CAP_ECRC_CHKC, "ECRCChkCap"},
                                                {PCI_ERR_CAP_ECRC_CHKE, "ECRCChkEn"}})));
    lines.push_back("\t" + flags(control, {{PCI_ERR_CAP_MULT_HDRC, "MultHdrRecCap"},
                                           {PCI_ERR_CAP_MULT_HDRE, "MultHdrRecEn"},
                                           {PCI_ERR_CAP_TLP_PFX, "TLPPfxPres"},
                                           {PCI_ERR_CAP_HDR_LOG, "HdrLogCap"}}));
    const unsigned log = at + PCI_ERR_HEADER_LOG;
    lines.push_back(fmt::format("HeaderLog: {:08x} {:08x} {:08x} {:08x}", f.dword(log),
                                f.dword(log + 4), f.dword(log + 8), f.dword(log + 12)));
    return lines;
}

Lines describe_serial(const Function& f, unsigned at) {
    const std::uint32_t low = f.dword(at + 4);
    const std::uint32_t high = f.dword(at + 8);
    std::string text = "Device Serial Number ";
    for (const std::uint32_t half : {high, low}) {
        for (int shift = 24; shift >= 0; shift -= 8) {
            text += fmt::format("{:02x}-", half >> shift & 0xffU);
        }
    }
    text.pop_back();
    return {text};
}

}  // namespace

std::string flags(std::uint32_t value, const std::vector<Bit>& bits, std::string_view separator) {
    std::string out;
    for (const Bit& bit : bits) {
        out += (out.empty() ? "" : std::string(separator)) + bit.name +
               ((value & bit.mask) != 0 ? "+" : "-");
    }
    return out;
}

std::string control_line(const Function& f) {
    return "Control: " + flags(f.word(PCI_COMMAND), {{PCI_COMMAND_IO, "I/O"},
                                                     {PCI_COMMAND_MEMORY, "Mem"},
                                                     {PCI_COMMAND_MASTER, "BusMaster"},
                                                     {PCI_COMMAND_SPECIAL, "SpecCycle"},
                                                     {PCI_COMMAND_INVALIDATE, "MemWINV"},
                                                     {PCI_COMMAND_VGA_PALETTE, "VGASnoop"},
                                                     {PCI_COMMAND_PARITY, "ParErr"},
                                                     {PCI_COMMAND_WAIT, "Stepping"},
                                                     {PCI_COMMAND_SERR, "SERR"},
                                                     {PCI_COMMAND_FAST_BACK, "FastB2B"},
                                                     {PCI_COMMAND_DISABLE_INTx, "DisINTx"}});
}

std::string status_line(const Function& f) {
    const std::uint16_t status = f.word(PCI_STATUS);
    constexpr std::array speeds{"fast", "medium", "slow", "??"};
    return fmt::format("Status: {} DEVSEL={} {}",
                       flags(status, {{PCI_STATUS_CAP_LIST, "Cap"},
                                      {PCI_STATUS_66MHZ, "66MHz"},
                                      {PCI_STATUS_UDF, "UDF"},
                                      {PCI_STATUS_FAST_BACK, "FastB2B"},
                                      {PCI_STATUS_PARITY, "ParErr"}}),
                       speeds.at((status & PCI_STATUS_DEVSEL_MASK) >> 9),
                       flags(status, {{PCI_STATUS_SIG_TARGET_ABORT, ">TAbort"},
                                      {PCI_STATUS_REC_TARGET_ABORT, "<TAbort"},
                                      {PCI_STATUS_REC_MASTER_ABORT, "<MAbort"},
                                      {PCI_STATUS_SIG_SYSTEM_ERROR, ">SERR"},
                                      {PCI_STATUS_DETECTED_PARITY, "<PERR"},
                                      {PCI_STATUS_INTx, "INTx"}}));
}

std::string region_text(const Region& region) {
    std::string text = region.io ? "I/O ports at " : "Memory at ";
    text += !region.assigned ? "<unassigned>"
            : region.io      ? fmt::format("{:04x}", region.base)
                             : fmt::format("{:08x}", region.base);
    if (!region.io) {
        text += fmt::format(" ({}, {}prefetchable)", region.wide ? "64-bit" : "32-bit",
                            region.prefetchable ? "" : "non-");
    }
    if (region.size != 0) {
        text += " [size=" + size_text(region.size) + "]";
    }
    return text;
}

std::string speed_text(unsigned code) {
    constexpr std::array speeds{"unknown", "2.5GT/s", "5GT/s", "8GT/s",
                                "16GT/s",  "32GT/s",  "64GT/s"};
    return code < speeds.size() ? speeds.at(code) : "unknown";
}

std::vector<std::string> describe(const Function& f, const Capability& capability, int verbose) {
    const unsigned at = capability.offset;
    Lines lines;
    if (!capability.extended) {
        switch (capability.id) {
            case PCI_CAP_ID_PM:
                lines = describe_power(f, at, verbose);
                break;
            case PCI_CAP_ID_MSIX:
                lines = describe_msix(f, at, verbose);
                break;
            case PCI_CAP_ID_EXP:
                lines = describe_express(f, at, verbose);
                break;
            default:
                lines = {fmt::format("Capability id {:02x}", capability.id)};
        }
    } else if (capability.id == PCI_EXT_CAP_ID_AER) {
        lines = describe_errors(f, at, verbose);
    } else if (capability.id == PCI_EXT_CAP_ID_DSN) {
        lines = describe_serial(f, at);
    } else {
        lines = {fmt::format("Extended capability id {:04x}", capability.id)};
    }
    const bool version = capability.extended && verbose >= 2;
    lines.front() =
        fmt::format("Capabilities: [{:02x}{}] {}", at,
                    version ? fmt::format(" v{}", capability.version) : "", lines.front());
    return lines;
}

}  // namespace accel::tools::ls
