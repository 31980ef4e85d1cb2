"""http_service.py <library> <command...>: uses an example service of a binding, which is a store with quotas over HTTP; first without the
library, where it must refuse to start and say how."""
import http.client
import os
import subprocess
import sys


def main():
    library, *command = sys.argv[1:]
    command = [*command, "0"]
    clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    without = subprocess.run(command, capture_output=True, text=True, check=False, env=clean, timeout=120)
    assert without.returncode != 0 and "tenure run" in without.stderr, without
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**clean, "LD_PRELOAD": library})
    try:
        port = int(server.stdout.readline())

        def ask(method, path, body=None):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(method, path, body)
            answer = connection.getresponse()
            result = answer.status, answer.read()
            connection.close()
            return result
        block = b"x" * (1 << 20)
        statuses = [ask("PUT", f"/full/k{i}", block)[0] for i in range(24)]
        assert statuses[:8] == [204] * 8 and statuses[-1] == 507, statuses
        assert ask("PUT", "/other/k", block)[0] == 204
        assert ask("GET", "/other/k") == (200, block)
        assert ask("GET", "/other/none")[0] == 404
        usage, failures = map(int, ask("GET", "/other")[1].split())
        assert usage >= len(block) and failures == 0, (usage, failures)
        assert int(ask("GET", "/full")[1].split()[1]) > 0
        assert ask("GET", "/" + "n" * 70)[0] == 400
    finally:
        server.kill()
        server.wait()


main()
