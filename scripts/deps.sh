#!/bin/sh
# deps.sh <group>...: installs the Debian packages of these groups. Quiet and fast if no package is
# missing. Installs as root or with a sudo that asks no password; otherwise lists the missing packages in
# one line. Missing packages are an error for `build` and `check` only: the users of the other groups work
# with the installed packages.
set -eu

# package[=probe]: a probe is a command, or a path pattern. Where it is found, the package counts as
# there, whoever provided it (nodejs from its makers, python from pyenv).
packages_of() {
  case $1 in
    build) echo g++=g++ cmake=cmake make=make pkg-config=pkg-config libgtest-dev \
                libcli11-dev libfmt-dev nlohmann-json3-dev libncurses-dev libtomlplusplus-dev \
                python3=python3 binutils=objdump ;;
    check) echo spin=spin clang-format=clang-format clang-tidy=clang-tidy codespell=codespell git=git liburcu-dev \
                tmux=tmux python3-dev python3-setuptools python3-wheel ;;
    aarch64) echo g++-aarch64-linux-gnu=aarch64-linux-gnu-g++ qemu-user=qemu-aarch64 ;;
    vm) echo qemu-system-x86=qemu-system-x86_64 busybox-static=/bin/busybox cpio=cpio ;;
    bench) echo libbenchmark-dev libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 ;;
    demo) echo redis-server=redis-server redis-tools=redis-benchmark python3=python3 git=git \
               sqlite3=sqlite3 g++=g++ libjemalloc2 libmimalloc2.0 ;;
    apps) echo nginx=nginx apache2-utils=ab 'postgresql=/usr/lib/postgresql/*/bin/postgres' \
               mariadb-server=mariadbd memcached=memcached nodejs=node \
               default-jdk-headless=javac perl=perl ruby=ruby lua5.4=lua5.4 php-cli=php clang=clang \
               prometheus=promtool ;;
    bindings) echo python3-dev python3-setuptools python3-wheel rustc=rustc cargo=cargo nodejs=node \
                   libnode-dev=/usr/include/node/node_api.h \
                   lua5.4=lua5.4 liblua5.4-dev luajit=luajit libluajit-5.1-dev golang-go=go default-jdk-headless=javac \
                   libsqlite3-dev liburcu-dev ;;
    *) echo "deps.sh: no group '$1' (build check aarch64 vm bench demo apps bindings)" >&2; exit 2 ;;
  esac
}

# Servers and their helpers live in sbin, which is not in every user's PATH.
PATH=$PATH:/usr/sbin:/sbin

is_there() { # <package> <probe or nothing>
  case $2 in
    '') ;;
    /*) for file in $2; do [ -e "$file" ] && return 0; done ;;
    *) command -v "$2" > /dev/null 2>&1 && return 0 ;;
  esac
  case $installed in *" $1 "*) return 0 ;; esac
  return 1
}

set -f # the probes' patterns are expanded in is_there alone
names=
for group in "$@"; do
  list=$(packages_of "$group")
  for item in $list; do names="$names ${item%%=*}"; done
done
# shellcheck disable=SC2086  # word splitting wanted
installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2> /dev/null |
  sed -n 's/^installed //p' | tr '\n' ' ') "

missing= strict=no
for group in "$@"; do
  for item in $(packages_of "$group"); do
    package=${item%%=*} probe=
    case $item in *=*) probe=${item#*=} ;; esac
    set +f
    if ! is_there "$package" "$probe"; then
      missing="$missing $package"
      case $group in build | check) strict=yes ;; esac
    fi
    set -f
  done
done
[ -n "$missing" ] || exit 0

give_up() {
  echo "deps.sh: missing, and $1:$missing" >&2
  [ "$strict" = no ]
  exit
}
command -v apt-get > /dev/null 2>&1 || give_up "there is no apt-get here to install it"
as_root=
if [ "$(id -u)" != 0 ]; then
  sudo -n true 2> /dev/null || give_up "not installed for want of root or sudo"
  as_root='sudo -n'
fi

# Packaged servers start themselves on installation, and would sit on the ports the tests use. Debian's
# hook against it is policy-rc.d; one that exists already is the administrator's and stays.
policy=/usr/sbin/policy-rc.d
unguard() { :; }
if [ ! -e $policy ]; then
  unguard() { $as_root rm -f $policy; }
  printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy > /dev/null
  $as_root chmod 755 $policy
fi
trap unguard EXIT
trap 'exit 1' HUP INT TERM

echo "deps.sh: installing$missing"
log=$(mktemp)
# A fresh machine may run an apt of its own at its first boot.
waiting='-o DPkg::Lock::Timeout=600'
install_missing() {
  # shellcheck disable=SC2086
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get $waiting install -y -q --no-install-recommends \
    $missing > "$log" 2>&1
}
# The lists have a lock for which apt does not wait itself.
refresh_lists() {
  tries=60
  # shellcheck disable=SC2086
  until LC_ALL=C $as_root apt-get $waiting update -q > "$log" 2>&1; do
    tries=$((tries - 1))
    grep -q 'Could not get lock' "$log" && [ $tries -gt 0 ] || return 0
    sleep 5
  done
}
# The package lists of a bare machine are empty or stale: refresh them when the first try fails.
if ! install_missing; then
  refresh_lists
  if ! install_missing; then
    tail -n 3 "$log" >&2
    rm -f "$log"
    give_up "apt-get cannot install it"
  fi
fi
rm -f "$log"
