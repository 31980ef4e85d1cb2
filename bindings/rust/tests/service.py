"""service.py <program> <library>: uses the example service."""
import os
import socket
import subprocess
import sys


def line(program):
    return program.readline().decode().strip()


def main():
    program, library = sys.argv[1:]
    without = subprocess.run([program, "0"], capture_output=True, text=True, check=False)
    assert without.returncode != 0 and "NotActive" in without.stderr, without
    server = subprocess.Popen([program, "0"], stdout=subprocess.PIPE, env={**os.environ, "LD_PRELOAD": library})
    try:
        connection = socket.create_connection(("127.0.0.1", int(line(server.stdout))), timeout=60).makefile("rwb")

        def ask(request, body=b""):
            connection.write(request.encode() + b"\n" + body)
            connection.flush()
            return line(connection)
        block = b"x" * (1 << 20)
        answers = [ask(f"put full k{i} {len(block)}", block) for i in range(24)]
        assert answers[:8] == ["ok"] * 8 and answers[-1] == "full", answers
        assert ask(f"put other k {len(block)}", block) == "ok"
        assert ask("get other k") == str(len(block)) and connection.read(len(block)) == block
        assert ask("get other none") == "none"
        assert ask("stats other").split()[1] == "0" and int(ask("stats full").split()[1]) > 0
        assert ask("put a/b k 0").startswith("error")
    finally:
        server.kill()
        server.wait()


main()
