#include "base/stack/frame_rules.h"

#include "base/stack/dwarf_reader.h"

namespace tenure {
namespace {

// DWARF numbers of registers.
#if defined(__x86_64__)
constexpr uint64_t kFrameRegister = 6, kStackRegister = 7;
#else
constexpr uint64_t kFrameRegister = 29, kStackRegister = 31;
#endif

// A record of .eh_frame, from the end of its length word. good() is false if the length is 0 or needs 64 bits.
DwarfReader record_at(const uint8_t* at) {
  uint32_t length;
  __builtin_memcpy(&length, at, sizeof length);
  if (length == 0xffffffff) length = 0;
  return {at + sizeof length, at + sizeof length + length};
}

// The common part of the records of functions.
struct Common {
  uint64_t code_factor = 0;
  int64_t data_factor = 0;
  uint64_t return_register = 0;
  uint8_t pointer_encoding = 0;
  bool augmented = false;
  bool signal = false;
  DwarfReader program{nullptr, nullptr};
};

bool read_common(const uint8_t* at, Common& common) {
  DwarfReader record = record_at(at);
  if (record.get<uint32_t>() != 0) return false;
  const uint8_t version = record.get<uint8_t>();
  const char* const augmentation = reinterpret_cast<const char*>(record.at());
  while (record.get<char>() != '\0') {
  }
  if (!record.good() || (version != 1 && version != 3)) return false;
  common.code_factor = record.unsigned_leb();
  common.data_factor = record.signed_leb();
  common.return_register = version == 1 ? record.get<uint8_t>() : record.unsigned_leb();
  if (augmentation[0] == 'z') {
    common.augmented = true;
    const uint64_t length = record.unsigned_leb();
    DwarfReader data = record;
    for (const char* p = augmentation + 1; *p != '\0'; ++p) {
      if (*p == 'R') {
        common.pointer_encoding = data.get<uint8_t>();
      } else if (*p == 'P') {
        const uint8_t encoding = data.get<uint8_t>();
        data.pointer(encoding & 0x0f);
      } else if (*p == 'L') {
        data.get<uint8_t>();
      } else if (*p == 'S') {
        common.signal = true;
      } else if (*p != 'B') {  // Of pointer authentication.
        return false;
      }
    }
    record.skip(length);
    if (!data.good()) return false;
  } else if (augmentation[0] != '\0') {
    return false;
  }
  common.program = record;
  return record.good();
}

struct Saved {
  FrameRule::Place place = FrameRule::kSame;
  bool unknown = false;    // The reader does not understand the rule.
  bool undefined = false;  // There is no value.
  int64_t offset = 0;
};

struct State {
  FrameRule::Kind kind = FrameRule::kNone;
  int64_t offset = 0;
  Saved frame, back;
};

// The CFA is `register + offset`.
void set_base(State& state, uint64_t number) {
  state.kind = number == kStackRegister   ? FrameRule::kFromStack
               : number == kFrameRegister ? FrameRule::kFromFrame
                                          : FrameRule::kNone;
}

// Runs the instructions that come before `address`.
class Interpreter {
public:
  Interpreter(const Common& common, uint64_t start, uint64_t address)
      : common_(common), here_(start), address_(address) {}

  bool run_initial() {
    const bool done = run(common_.program);
    initial_ = state_;
    return done;
  }
  // False: the reader does not understand an instruction.
  bool run(DwarfReader program) {
    while (program.more() && !past_) {
      const uint8_t code = program.get<uint8_t>();
      const uint8_t low = code & 0x3f;
      switch (code & 0xc0) {
      case 0x40:
        advance(low);
        break;
      case 0x80:
        save(low, static_cast<int64_t>(program.unsigned_leb()) * common_.data_factor);
        break;
      case 0xc0:
        restore(low);
        break;
      default:
        if (!run_other(code, program)) return false;
      }
    }
    return program.good();
  }
  const State& state() const { return state_; }

private:
  void advance(uint64_t delta) {
    here_ += delta * common_.code_factor;
    past_ = here_ > address_;
  }
  Saved* saved(uint64_t number) {
    return number == kFrameRegister            ? &state_.frame
           : number == common_.return_register ? &state_.back
                                               : nullptr;
  }
  void set(uint64_t number, Saved value) {
    if (Saved* it = saved(number)) *it = value;
  }
  void save(uint64_t number, int64_t offset) {
    set(number, {FrameRule::kAtCfa, false, false, offset});
  }
  void restore(uint64_t number) {
    if (number == kFrameRegister) state_.frame = initial_.frame;
    if (number == common_.return_register) state_.back = initial_.back;
  }

  // An expression of the form "frame pointer + offset", with or without a load from that address. The reader understands no others.
  static bool read_expression(DwarfReader& program, bool& indirect, int64_t& offset) {
    const uint64_t length = program.unsigned_leb();
    DwarfReader code = program;
    const uint8_t* const start = code.at();
    program.skip(length);
    if (!program.good() || length == 0) return false;
    if (code.get<uint8_t>() != 0x70 + kFrameRegister) return false;  // DW_OP_breg
    offset = code.signed_leb();
    const auto used = static_cast<uint64_t>(code.at() - start);
    indirect = used + 1 == length && code.get<uint8_t>() == 0x06;  // DW_OP_deref
    return code.good() && (indirect || used == length);
  }

  bool run_other(uint8_t code, DwarfReader& program) {
    switch (code) {
    case 0x00:  // nop
      return true;
    case 0x01:  // set_loc
      here_ = program.pointer(common_.pointer_encoding);
      past_ = here_ > address_;
      return true;
    case 0x02:
      advance(program.get<uint8_t>());
      return true;
    case 0x03:
      advance(program.get<uint16_t>());
      return true;
    case 0x04:
      advance(program.get<uint32_t>());
      return true;
    case 0x05: {  // offset_extended
      const uint64_t number = program.unsigned_leb();
      save(number, static_cast<int64_t>(program.unsigned_leb()) * common_.data_factor);
      return true;
    }
    case 0x06:  // restore_extended
      restore(program.unsigned_leb());
      return true;
    case 0x07:  // undefined
      set(program.unsigned_leb(), {FrameRule::kSame, false, true, 0});
      return true;
    case 0x08:  // same_value
      set(program.unsigned_leb(), {});
      return true;
    case 0x09: {  // register
      const uint64_t number = program.unsigned_leb();
      program.unsigned_leb();
      set(number, {FrameRule::kSame, true, false, 0});
      return true;
    }
    case 0x0a:  // remember_state
      if (depth_ == kDeepest) return false;
      stack_[depth_++] = state_;
      return true;
    case 0x0b:  // restore_state
      if (depth_ == 0) return false;
      state_ = stack_[--depth_];
      return true;
    case 0x0c:  // def_cfa
      set_base(state_, program.unsigned_leb());
      state_.offset = static_cast<int64_t>(program.unsigned_leb());
      return true;
    case 0x0d:  // def_cfa_register
      set_base(state_, program.unsigned_leb());
      return true;
    case 0x0e:  // def_cfa_offset
      state_.offset = static_cast<int64_t>(program.unsigned_leb());
      return true;
    default:
      return run_rare(code, program);
    }
  }

  bool run_rare(uint8_t code, DwarfReader& program) {
    switch (code) {
    case 0x0f: {  // def_cfa_expression
      bool indirect = false;
      const bool understood = read_expression(program, indirect, state_.offset) && indirect;
      state_.kind = understood ? FrameRule::kFromMemory : FrameRule::kNone;
      return program.good();
    }
    case 0x10: {  // expression
      const uint64_t number = program.unsigned_leb();
      bool indirect = false;
      int64_t offset = 0;
      const bool understood = read_expression(program, indirect, offset) && !indirect;
      set(number, {FrameRule::kAtFrame, !understood, false, offset});
      return program.good();
    }
    case 0x11: {  // offset_extended_sf
      const uint64_t number = program.unsigned_leb();
      save(number, program.signed_leb() * common_.data_factor);
      return true;
    }
    case 0x12:  // def_cfa_sf
      set_base(state_, program.unsigned_leb());
      state_.offset = program.signed_leb() * common_.data_factor;
      return true;
    case 0x13:  // def_cfa_offset_sf
      state_.offset = program.signed_leb() * common_.data_factor;
      return true;
    case 0x14:    // val_offset
    case 0x15: {  // val_offset_sf
      const uint64_t number = program.unsigned_leb();
      program.unsigned_leb();
      set(number, {FrameRule::kSame, true, false, 0});
      return true;
    }
    case 0x16: {  // val_expression
      const uint64_t number = program.unsigned_leb();
      program.skip(program.unsigned_leb());
      set(number, {FrameRule::kSame, true, false, 0});
      return true;
    }
    case 0x2d:  // negate_ra_state: return addresses are cleared of their signatures when they are read.
      return true;
    case 0x2e:  // GNU_args_size
      program.unsigned_leb();
      return true;
    default:
      return false;
    }
  }

  static constexpr int kDeepest = 8;
  const Common& common_;
  uint64_t here_;
  const uint64_t address_;
  bool past_ = false;
  State state_, initial_;
  State stack_[kDeepest];
  int depth_ = 0;
};

bool pack_offset(int64_t offset, int8_t& packed) {
  packed = static_cast<int8_t>(offset / 8);
  return offset % 8 == 0 && packed == offset / 8;
}

FrameRule rule_of(const State& state) {
  FrameRule rule;
  if (state.kind == FrameRule::kNone || state.frame.unknown || state.back.unknown) return rule;
  if (state.back.undefined) {
    rule.kind = FrameRule::kEnd;
    return rule;
  }
  rule.frame_place = state.frame.place;
  rule.return_place = state.back.place;
  if (!pack_offset(state.frame.offset, rule.frame_offset) ||
      !pack_offset(state.back.offset, rule.return_offset) || !rule.set_cfa_offset(state.offset))
    return {};
  rule.kind = state.kind;
  return rule;
}

// Finds the record of the function in the table that is sorted by addresses: {start of a function, its record}, both relative to the table.
const uint8_t* find_record(const uint8_t* table, uint64_t address) {
  struct Entry {
    int32_t start, record;
  };
  // The format that linkers write: version 1; the count in 32 bits; entries of 32 bits relative to the table.
  if (table[0] != 1 || table[2] != 0x03 || table[3] != 0x3b) return nullptr;
  const size_t pointer_bytes = (table[1] & 0x0f) == 0x0b || (table[1] & 0x0f) == 0x03 ? 4 : 8;
  uint32_t count;
  __builtin_memcpy(&count, table + 4 + pointer_bytes, sizeof count);
  const auto* const entries =
      reinterpret_cast<const Entry*>(table + 4 + pointer_bytes + sizeof count);
  const auto place = static_cast<int64_t>(address - reinterpret_cast<uint64_t>(table));
  uint32_t
      low = 0,
      high = count;  // The last entry that does not start behind the address is in [low - 1, high).
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (entries[middle].start <= place) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? nullptr : table + entries[low - 1].record;
}

}  // namespace

bool FrameRule::set_cfa_offset(int64_t offset) {
  offset_low = static_cast<int16_t>(offset & 0xffff);
  offset_high = static_cast<int8_t>(offset >> 16);
  return cfa_offset() == offset;
}

FrameRule find_frame_rule(const void* frame_table, uint64_t address) {
  if (frame_table == nullptr) return {};
  const uint8_t* const found = find_record(static_cast<const uint8_t*>(frame_table), address);
  if (found == nullptr) return {};
  DwarfReader record = record_at(found);
  const uint8_t* const link = record.at();
  const auto back = record.get<uint32_t>();
  Common common;
  if (back == 0 || !record.good() || !read_common(link - back, common)) return {};
  const uint64_t start = record.pointer(common.pointer_encoding);
  const uint64_t length = record.pointer(common.pointer_encoding & 0x0f);
  if (common.augmented) record.skip(record.unsigned_leb());
  if (!record.good() || address - start >= length) return {};
  FrameRule rule;
  if (common.signal) {
    rule.kind = FrameRule::kSignal;
    return rule;
  }
  Interpreter interpreter(common, start, address);
  if (!interpreter.run_initial() || !interpreter.run(record)) return {};
  return rule_of(interpreter.state());
}

}  // namespace tenure
