// Programs of the system that know nothing of the library, with LD_PRELOAD: same output, same exit
// status as without. argv[1]: the library.

#include <string>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"

int main(int count, char** arguments) {
  using namespace blackbox;
  REQUIRE(count == 2, "usage: preload LIBRARY");
  const std::string preload = std::string("LD_PRELOAD=") + arguments[1];
  const std::vector<std::string> scripts = {
      "exit 3",
      "ls -lR /usr/include/linux /usr/share/doc | sort | cksum",
      "find /usr/lib/x86_64-linux-gnu -maxdepth 1 -name '*.so*' | sort -r | tail -n 100",
      "seq 50000 | sort -R --random-source=/dev/zero | sort -n | cksum",
      "awk 'BEGIN { for (i = 0; i < 200000; ++i) a[i % 5000] = a[i % 5000] \"x\"; print "
      "length(a[7]) }'",
      "grep -c include /usr/include/*.h | sort | cksum",
      "head -c 5000000 /dev/zero | gzip -c | gzip -dc | cksum",
      "x=$(for i in 1 2 3 4 5; do echo $(echo $i); done); echo $x",
  };
  for (const std::string& script : scripts) {
    ChildResult plain = run_program({"sh", "-c", script});
    ChildResult preloaded = run_program({"sh", "-c", script}, {.environment = {preload}});
    REQUIRE(!plain.timed_out && !preloaded.timed_out, "%s: timed out", script.c_str());
    REQUIRE(plain.status == preloaded.status && plain.out == preloaded.out &&
                plain.err == preloaded.err,
            "%s\nwithout: %s\nwith: %s", script.c_str(), plain.describe().c_str(),
            preloaded.describe().c_str());
  }
  // That it was there at all.
  ChildResult maps = run_program({"cat", "/proc/self/maps"}, {.environment = {preload}});
  REQUIRE(maps.out.find(arguments[1]) != std::string::npos, "not loaded:\n%s", maps.err.c_str());
}
