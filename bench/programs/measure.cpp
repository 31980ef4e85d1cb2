// Runs a command and writes what it took: bench_measure FILE [NAME=VALUE ...] -- COMMAND [ARG ...]
// FILE receives "seconds <wall> <user> <system>", "peak_kib <n>" and "status <n>".
//
// Why a launcher: Linux lets the peak RSS of a process begin at that of the image which called exec,
// so a child of a large interpreter would report the interpreter's. This one has about 1 MiB, and the
// environment (LD_PRELOAD) is set in the child only. Peak RSS is that of the largest single process
// among the command and the children it waited for.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

int main(int argc, char** argv) {
  int command = 2;
  while (command < argc && std::strcmp(argv[command], "--") != 0) ++command;
  if (command + 1 >= argc) {
    std::fprintf(stderr, "usage: %s FILE [NAME=VALUE ...] -- COMMAND [ARG ...]\n", argv[0]);
    return 2;
  }

  const double start = now();
  const pid_t pid = fork();
  if (pid < 0) {
    std::perror("fork");
    return 1;
  }
  if (pid == 0) {
    for (int i = 2; i < command; ++i) putenv(argv[i]);
    execvp(argv[command + 1], argv + command + 1);
    std::fprintf(stderr, "%s: %s\n", argv[command + 1], std::strerror(errno));
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  while (wait4(pid, &status, 0, &usage) < 0) {
    if (errno != EINTR) {
      std::perror("wait4");
      return 1;
    }
  }
  const double elapsed = now() - start;
  const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);

  std::FILE* file = std::fopen(argv[1], "w");
  if (file == nullptr) {
    std::perror(argv[1]);
    return 1;
  }
  std::fprintf(file, "seconds %.6f %.6f %.6f\npeak_kib %ld\nstatus %d\n", elapsed,
               seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss, code);
  std::fclose(file);
  return code;
}
