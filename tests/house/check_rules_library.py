#!/usr/bin/env python3
"""check_rules_library.py <libtenure_rules.so>: what it wraps, that it needs libc alone, and that Tenure is optional."""
import re
import sys

import elf

WRAPPED = """pthread_create pthread_setname_np prctl dlopen dlclose
    read __read_chk readv recv __recv_chk recvfrom __recvfrom_chk recvmsg recvmmsg
    accept accept4 connect close close_range closefrom fclose dup dup2 dup3 fcntl fcntl64
    poll __poll_chk ppoll __ppoll_chk select pselect epoll_wait epoll_pwait epoll_pwait2 io_getevents""".split()
NEEDED = re.compile(r"^(libc\.so\.6|ld-linux[\w.-]*)$")


def main():
    path = sys.argv[1]
    defined, undefined = elf.dynamic_symbols(path)
    problems = [f"does not wrap {name}" for name in sorted(set(WRAPPED) - set(defined))]
    problems += [f"exports {name}" for name in sorted(set(defined) - set(WRAPPED))]
    problems += [f"needs {name}" for name in elf.needed(path) if not NEEDED.match(name)]
    problems += [f"linked without {flag}" for flag in ("NODELETE", "NOW") if flag not in elf.flags(path)]
    problems += [f"needs {name} of the compiler's runtime" for name in undefined
                 if re.search(r"@(GLIBCXX|CXXABI|GCC)_", name)]
    if any(name.startswith("__tls_get_addr") for name in undefined):
        problems.append("a thread-local is not initial-exec")
    print("\n".join(problems) or f"wraps {len(WRAPPED)} functions, needs libc alone")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
