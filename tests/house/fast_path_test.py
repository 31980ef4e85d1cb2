#!/usr/bin/env python3
"""Shows that fast_path counts as it says, on code given as text."""
import unittest

from fast_path import X86, Arm64, shape_of


def code_of(text):
    lines = [line.split(None, 1) for line in text.strip().splitlines()]
    return {index: (line[0], line[1] if len(line) > 1 else "",
                    index + 1) for index, line in enumerate(lines)}


class FastPath(unittest.TestCase):
    def shape(self, text, machine=None):
        return shape_of(code_of(text), machine or X86(), 0)[0].as_dict()

    def test_loads_and_stores(self):
        for instruction, loads, stores in [
                ("mov 0x8(%rax),%rcx", 1, 0), ("mov %rcx,0x8(%rax)", 0, 1), ("lea 0x8(%rax),%rcx", 0, 0),
                ("mov %fs:0x10,%rax", 1, 0), ("mov %fs:(%rdx),%rax", 1, 0), ("mov %rax,%fs:0x8(%r9)", 0, 1),
                ("mov 0x2ee9(%rip),%rax", 1, 0), ("cmp %rax,(%rcx,%rdx,8)", 1, 0),
                ("cmpq $0x0,(%rcx)", 1, 0), ("addq $0x1,(%rcx)", 1, 1), ("incl 0x4(%rcx)", 1, 1),
                ("add (%rcx),%rax", 1, 0), ("testw %ax,%ax", 0, 0), ("movslq %fs:0x4(%rax),%rdx", 1, 0),
                ("movzwl 0x2(%rax,%rcx,2),%edx", 1, 0), ("nopw 0x0(%rax,%rax,1)", 0, 0),
                ("push %rbx", 0, 0), ("movups %xmm0,(%rdi)", 0, 1)]:
            shape = self.shape(f"{instruction}\nret")
            self.assertEqual((shape["loads"], shape["stores"]), (loads, stores), instruction)

    def test_straight_path(self):
        shape = self.shape("test %rdi,%rdi\nje 9 <slow>\njmp 4 <go>\nud2\nmov (%rax),%rax\nret")
        self.assertEqual(shape, {"instructions": 5, "branches": 1, "jumps": 1, "calls": 0,
                                 "loads": 1, "stores": 0})

    def test_calls(self):
        self.assertEqual(self.shape("call 10 <f>\nret")["calls"], 1)
        self.assertEqual(self.shape("jmp *0x2fe2(%rip)")["calls"], 1)
        self.assertEqual(self.shape("jmp 999 <elsewhere>")["calls"], 1)

    def test_endless(self):
        with self.assertRaises(LookupError):
            self.shape("nop\njmp 0 <f>")

    def test_arm64(self):
        shape = self.shape("ldr x0, [x1, #8]\ncbz x0, 9 <slow>\nstr x0, [x2]\nb 4 <on>\nret", Arm64())
        self.assertEqual(shape, {"instructions": 5, "branches": 1, "jumps": 1, "calls": 0,
                                 "loads": 1, "stores": 1})


if __name__ == "__main__":
    unittest.main()
