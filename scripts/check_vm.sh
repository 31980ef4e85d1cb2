#!/bin/sh
# check_vm.sh [nodes | pressure]: runs tests that need a special machine: LRUs on two NUMA nodes, or reclaim by memory in
# cgroup v2. Boots Debian's cloud kernel in qemu, with busybox and the tests of the release build in its initramfs.
#
# qemu 7.2 takes the flags that cmpxchg16b keeps from what the instructions before it in a block have not written yet, and an
# interrupt then sets some at random (TF: SIGTRAP; DF: copies go backwards). An instruction at a time (-singlestep) it does not,
# but reclaim takes too long that way: a signal in `pressure` may be qemu's.
set -eu
what=${1-nodes}
case $what in
  nodes) step=-singlestep ;;
  pressure) step= ;;
  *) echo "check_vm.sh: nodes or pressure, not '$what'" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
vm=build/vm
bin=build/release/bin
mkdir -p $vm
[ -x $bin/blackbox_tenants_pressure ] || { echo "check_vm.sh: the release build is not there" >&2; exit 1; }

# Not installed: unpacked beside the build.
if ! [ -e $vm/vmlinuz ]; then
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
  (cd $vm && apt-get download -q "$package" > apt.log 2>&1) || { cat $vm/apt.log >&2; exit 1; }
  dpkg-deb -x $vm/linux-image-*.deb $vm/kernel
  cp $vm/kernel/boot/vmlinuz-* $vm/vmlinuz
  rm -rf $vm/kernel $vm/linux-image-*.deb
fi

programs='tenure_base_test tenure_accounting_test blackbox_tenants_lru_lists blackbox_tenants_pressure'
root=$vm/root
rm -rf $root
mkdir -p $root/bin $root/lib64 $root/proc $root/sys $root/dev $root/tmp
cp /bin/busybox $root/bin/
ln -s busybox $root/bin/sh
for program in $programs; do
  cp -L $bin/"$program" $root/bin/
  ldd $bin/"$program" | sed -n 's/.*[[:space:]]\(\/[^ ]*\) (0x.*/\1/p'
done | sort -u | while read -r library; do
  mkdir -p $root"${library%/*}"
  cp -L "$library" $root"$library"
done
# Beside the build the tests find the library by its path there, here in the ordinary place.
mkdir -p $root/lib
cp -L build/release/lib/libtenure.so $root/lib/libtenure.so.0

cat > $root/init <<'INIT'
#!/bin/sh
busybox mount -t proc none /proc
busybox mount -t sysfs none /sys
busybox mount -t devtmpfs none /dev
busybox mount -t tmpfs none /tmp
busybox mount -t cgroup2 none /sys/fs/cgroup
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
export LD_LIBRARY_PATH=/lib
run() { # <command...>
  busybox echo "vm: $mode: $*"
  "$@" > /tmp/out 2>&1
  status=$?
  busybox grep -E '^(vm:|.*[0-9]+ nodes|no cgroup)' /tmp/out
  [ $status = 0 ] && return
  busybox cat /tmp/out
  busybox echo "vm: FAILED ($status): $mode: $*"
}
for argument in $(busybox cat /proc/cmdline); do
  case $argument in what=*) what=${argument#what=} ;; esac
done
run_all() {
  if [ "$what" = pressure ]; then
    run blackbox_tenants_pressure
  else
    run tenure_base_test '--gtest_filter=Topology*'
    run tenure_accounting_test '--gtest_filter=*Lru*'
    run blackbox_tenants_lru_lists
  fi
}
busybox echo "vm: Linux $(busybox uname -r), $(busybox nproc) CPUs, nodes $(busybox cat /sys/devices/system/node/has_cpu)"
mode=rseq
run_all
mode=fallback
export TENURE_RSEQ=off
run_all
unset TENURE_RSEQ
mode=hardened
export TENURE_CHECK=hardened
run_all
busybox echo "vm: done"
busybox poweroff -f
INIT
chmod +x $root/init
(cd $root && find . | cpio -o -H newc --quiet | gzip -1) > $vm/initramfs.gz

memory=2048
timeout 1500 qemu-system-x86_64 -machine q35 -accel tcg,thread=multi $step -cpu max -smp 4 -m ${memory}M -display none -no-reboot \
  -monitor none -net none \
  -object memory-backend-ram,id=m0,size=$((memory / 2))M -object memory-backend-ram,id=m1,size=$((memory / 2))M \
  -numa node,nodeid=0,cpus=0-1,memdev=m0 -numa node,nodeid=1,cpus=2-3,memdev=m1 \
  -kernel $vm/vmlinuz -initrd $vm/initramfs.gz -append 'console=ttyS0 quiet panic=-1 psi=1 rdinit=/init what='$what \
  -serial file:$vm/console < /dev/null || true
tr -d '\r' < $vm/console | sed -n '/^vm: Linux/,$p'
grep -q '^vm: done' $vm/console && grep -q 'nodes 0-1' $vm/console &&
  ! grep -q -E 'vm: FAILED|no cgroup' $vm/console
