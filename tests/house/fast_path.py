"""The shape of a function's straight path: the instructions from its entry to the first return when no
conditional branch is taken. On the fast path of malloc and free that is the common case."""
import re
from dataclasses import dataclass, asdict

import elf


@dataclass
class Shape:
    instructions: int = 0
    branches: int = 0  # conditional ones
    jumps: int = 0
    calls: int = 0
    loads: int = 0
    stores: int = 0

    def as_dict(self):
        return asdict(self)


class X86:
    """AT&T syntax. Push, pop and return are not counted as memory accesses."""
    returns = re.compile(r"(?:rep[z]? |bnd )?ret[qw]?\b")
    calls = re.compile(r"(?:notrack |bnd )?call")
    jumps = re.compile(r"(?:notrack |bnd )?jmp")
    branches = re.compile(r"j[a-z]+|loop|xbegin")
    # With one memory operand, read when it is not the last one; these read (and may write) it in any place.
    reads_last = re.compile(r"(?:lock |rep |repz )*(?:cmp|test|bt|add|sub|and|or|xor|inc|dec|neg|not|adc|sbb|"
                            r"sh[lr]|sa[lr]|ro[lr]|xadd|xchg|mul|div|imul|idiv|cmpxchg)")
    only_reads = re.compile(r"cmp(?!xchg)|test|bt\b|bt[lqw]\b|mul|div|imul|idiv")
    no_access = re.compile(r"lea|nop|prefetch|push|pop|endbr")

    def accesses(self, mnemonic, operands):
        if self.no_access.match(mnemonic):
            return 0, 0
        parts = split_operands(operands)
        in_memory = [index for index, part in enumerate(parts) if "(" in part or part.startswith("%fs:")
                     or re.match(r"0x[0-9a-f]+$", part)]
        if not in_memory:
            return 0, 0
        last = in_memory[-1] == len(parts) - 1
        if not last or len(parts) == 1 and self.only_reads.match(mnemonic):
            return 1, 0
        if self.reads_last.match(mnemonic):
            return 1, 0 if self.only_reads.match(mnemonic) else 1
        return 0, 1


class Arm64:
    returns = re.compile(r"ret\b|retaa")
    calls = re.compile(r"blr?\b")
    jumps = re.compile(r"br?$")
    branches = re.compile(r"b\.|cbn?z|tbn?z")

    def accesses(self, mnemonic, _operands):
        if re.match(r"ld|cas|swp", mnemonic):
            return 1, 1 if re.match(r"cas|swp|ldadd|ldset|ldclr", mnemonic) else 0
        return 0, 1 if mnemonic.startswith("st") else 0


def split_operands(text):
    """Splits at the commas outside parentheses."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text)] if text else []


def architecture(header):
    return X86() if "x86-64" in header else Arm64()


def disassemble(path):
    """{address: (mnemonic, operands, next address)} of all code, and its architecture."""
    text = elf.run("objdump", "-d", "--no-show-raw-insn", path)
    lines = re.findall(r"^ +([0-9a-f]+):\t(\S+)[ \t]*(.*)$", text, re.MULTILINE)
    code = {}
    for index, (address, mnemonic, rest) in enumerate(lines):
        following = int(lines[index + 1][0], 16) if index + 1 < len(lines) else None
        words = f"{mnemonic} {rest}".split("#")[0].split("//")[0].split()
        name = words.pop(0)
        while words and name.split()[-1] in ("lock", "rep", "repz", "repnz", "bnd", "notrack", "data16"):
            name += " " + words.pop(0)
        code[int(address, 16)] = (name, " ".join(words), following)
    return code, architecture(text[:400])


def address_of(path, function):
    for line in elf.run("nm", "-D", "--defined-only", path).splitlines():
        value, _, name = line.split()
        if name.split("@")[0] == function:
            return int(value, 16)
    raise LookupError(f"{function} is not exported")


def target_of(operands):
    match = re.search(r"(?:^|[ ,])([0-9a-f]+)(?: <|$)", operands)
    return int(match.group(1), 16) if match else None


def shape_of(code, machine, address, limit=1000):
    """Follows the straight path; direct jumps are followed, and calls counted but not entered."""
    shape = Shape()
    trace = []
    while shape.instructions < limit:
        if address not in code:
            raise LookupError(f"the path leaves the code at {address:#x}")
        mnemonic, operands, following = code[address]
        trace.append(f"{address:8x}  {mnemonic} {operands}")
        shape.instructions += 1
        if machine.returns.match(mnemonic):
            return shape, trace
        if machine.calls.match(mnemonic):
            shape.calls += 1
        elif machine.jumps.match(mnemonic):
            shape.jumps += 1
            following = target_of(operands)
            if following is None or following not in code:
                # Out of the library or by a register: as good as a call, and the end of what can be seen.
                shape.calls += 1
                return shape, trace
        elif machine.branches.match(mnemonic):
            shape.branches += 1
        else:
            loads, stores = machine.accesses(mnemonic, operands)
            shape.loads += loads
            shape.stores += stores
        address = following
    raise LookupError(f"no return within {limit} instructions")
