#!/usr/bin/env python3
"""check_install.py <build directory>: installs into an empty DESTDIR and uses what is there as a C and as
a C++ program would, through pkg-config and through find_package, with the shared and the static library."""
import os
import shutil
import subprocess
import sys
import tempfile

PREFIX = "/opt/somewhere"
HERE = os.path.dirname(os.path.abspath(__file__))
CONSUMER = os.path.join(HERE, "consumer")
ROOT = os.path.dirname(os.path.dirname(HERE))


class Failure(Exception):
    pass


def run(*command, env=None):
    done = subprocess.run(command, env={**os.environ, **(env or {})}, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise Failure(f"{' '.join(command)}\n{done.stdout}(exit status {done.returncode})")
    return done.stdout


def check_tree(prefix):
    found = set()
    for directory, _, names in os.walk(prefix):
        found |= {os.path.relpath(os.path.join(directory, name), prefix) for name in names}
    headers = [f"include/tenure/{name}" for name in os.listdir(os.path.join(ROOT, "include", "tenure"))]
    for name in headers + ["lib/libtenure.so", "lib/libtenure.a", "lib/libtenure_rules.so", "lib/pkgconfig/tenure.pc",
                           "lib/cmake/tenure/tenure-config.cmake", "share/man/man3/tenure_enter.3",
                           "share/man/man3/tenure_leave.3", "share/man/man1/tenure.1",
                           "share/bash-completion/completions/tenure", "share/zsh/site-functions/_tenure"]:
        if name not in found:
            raise Failure(f"not installed: {name}")
    link = os.readlink(os.path.join(prefix, "lib", "libtenure.so"))
    if os.path.isabs(link):
        raise Failure(f"libtenure.so points out of the tree: {link}")


def mentions(prefix, text):
    """Text files of the installation that name a path of the build."""
    for directory, _, names in os.walk(prefix):
        for name in names:
            if name.endswith((".pc", ".cmake")):
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8") as file:
                    if text in file.read():
                        yield path


def check_program(program, library_path):
    """The program says which library's malloc it calls; see consumer/use.c."""
    out = run(program, env={"LD_LIBRARY_PATH": library_path})
    if "malloc is tenure" not in out:
        raise Failure(f"{program}: {out}")


def check_pkg_config(prefix, work):
    env = {"PKG_CONFIG_PATH": f"{prefix}/lib/pkgconfig"}
    shared = run("pkg-config", "--cflags", "--libs", "tenure", env=env).split()
    static = run("pkg-config", "--cflags", "--libs", "--static", "tenure", env=env).split()
    # The linker prefers the shared library of a name: say which of the two is meant.
    archive = ["-l:libtenure.a" if flag == "-ltenure" else flag for flag in static]
    for compiler, source in [("cc", "use.c"), ("c++", "use.cpp"), ("c++", "use_new.cpp")]:
        for name, options in [("shared", shared), ("archive", archive), ("static", ["-static", *static]),
                              ("static-pie", ["-static-pie", *static])]:
            program = os.path.join(work, f"{source}.{name}")
            # A warning of the linker's would be of something in the archive.
            run(compiler, os.path.join(CONSUMER, source), "-Wl,--fatal-warnings", "-o", program, *options)
            check_program(program, f"{prefix}/lib")


def check_find_package(prefix, work):
    build = os.path.join(work, "build")
    run("cmake", "-S", CONSUMER, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    for program in ["use_c", "use_c_static", "use_cpp", "use_cpp_static"]:
        check_program(os.path.join(build, program), f"{prefix}/lib")


def check_tool(prefix):
    tool = os.path.join(prefix, "bin", "tenure")
    if os.path.exists(tool):
        run(tool, "run", "--", "/bin/true")


def main():
    build = os.path.abspath(sys.argv[1])
    work = tempfile.mkdtemp(prefix="tenure-install-")
    try:
        run("cmake", "--install", build, "--prefix", PREFIX, env={"DESTDIR": os.path.join(work, "root")})
        prefix = os.path.join(work, "root") + PREFIX
        check_tree(prefix)
        for path in mentions(prefix, build):
            raise Failure(f"{path} names the build directory")
        check_pkg_config(prefix, work)
        check_find_package(prefix, work)
        check_tool(prefix)
    except Failure as failure:
        print(failure)
        return 1
    finally:
        shutil.rmtree(work)
    print("installed; C and C++ programs find it by pkg-config and find_package, shared and static")
    return 0


if __name__ == "__main__":
    sys.exit(main())
