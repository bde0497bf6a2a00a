#!/usr/bin/env bash
# Runs a command as root in Debian's own kernel, for tests of what this machine's kernel may lack (IPVS): under qemu in software
# emulation, with two processors, on this machine's files. They are seen through 9p below a throw-away overlay: nothing that the command
# writes is kept, but what it puts into the folder $OUT. There is no network but what the command makes.
# About 8 seconds to boot; right for behaviour, wrong for speed.
# Usage: run-in-debian-kernel.sh COMMAND [ARG …]    exit status: the command's own; 125 if the kernel never answered
# Environment: OUT (a folder), MEM (MiB, 2048), LIMIT (seconds, 300), CACHE (a folder for kernel and initrd)
set -euo pipefail

main() {
  local out=${OUT:-} cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vipd-debian-kernel}
  require qemu-system-x86_64:qemu-system-x86 cpio:cpio busybox:busybox-static modprobe:kmod depmod:kmod dpkg:dpkg
  mkdir -p "$cache"
  # Several may start at once: the first one prepares.
  (flock 9; prepare "$cache") 9>"$cache/lock" >&2
  job=$(mktemp -d)
  trap 'rm -rf "$job"' EXIT
  [[ -n $out ]] || out=$job/out
  mkdir -p "$out" "$job/start"
  write_start "$@" >"$job/start/start"
  boot "$cache" "$job/start" "$(readlink -f "$out")"
  local status=125
  [[ -s $out/.status ]] && status=$(<"$out/.status")
  rm -f "$out/.status"
  return "$status"
}

require() {
  local pair missing=()
  for pair; do command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}"); done
  ((${#missing[@]} == 0)) || { echo "run-in-debian-kernel: install the Debian packages ${missing[*]}" >&2; exit 125; }
}

# The kernel's package is unpacked, not installed. The initrd has what it takes to see this machine's files.
prepare() {
  local cache=$1 package release
  [[ ! -s $cache/initrd.gz ]] || return 0
  rm -rf "$cache/root" "$cache/download" "$cache/tree"; mkdir -p "$cache/download"
  package=$(kernel_package)
  [[ -n $package ]] || { apt-get update -qq; package=$(kernel_package); }
  [[ -n $package ]] || { echo "run-in-debian-kernel: apt knows no linux-image-amd64" >&2; exit 125; }
  echo "run-in-debian-kernel: downloading the Debian package $package"
  (cd "$cache/download" && apt-get download -qq -o APT::Sandbox::User=root "$package")
  dpkg -x "$cache/download/${package}"_*.deb "$cache/root"; rm -rf "$cache/download"
  release=$(ls "$cache/root/lib/modules")
  depmod -b "$cache/root" "$release"
  make_tree "$cache" "$release"
  (cd "$cache/tree" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$cache/initrd.new"
  mv "$cache/initrd.new" "$cache/initrd.gz"; rm -rf "$cache/tree"
}

kernel_package() { apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image/{print $2; exit}'; }

make_tree() {
  local cache=$1 release=$2 tree=$1/tree module file
  mkdir -p "$tree"/{bin,modules,proc,sys,dev,low,tmp,newroot}
  cp "$(command -v busybox)" "$tree/bin/busybox"
  for module in virtio_pci 9pnet_virtio 9p overlay; do
    modprobe -d "$cache/root" -S "$release" --show-depends "$module" | awk '$1 == "insmod" {print $2}'
  done | awk '!seen[$0]++' | while read -r file; do cp "$file" "$tree/modules/"; basename "$file"; done >"$tree/order"
  cat >"$tree/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
while read module; do $b insmod /modules/$module; done </order
options=trans=virtio,version=9p2000.L,msize=262144
$b mount -t 9p -o $options,cache=loose,ro host /low
$b mount -t tmpfs tmpfs /tmp; $b mkdir /tmp/up /tmp/work
$b mount -t overlay -o lowerdir=/low,upperdir=/tmp/up,workdir=/tmp/work overlay /newroot
$b mount -t tmpfs tmpfs /newroot/run; $b mkdir /newroot/run/out /newroot/run/start /newroot/run/modules
$b mount -t 9p -o $options out /newroot/run/out
$b mount -t 9p -o $options,ro start /newroot/run/start
$b mount -t 9p -o $options,cache=loose,ro modules /newroot/run/modules
$b mkdir -p /newroot/lib/modules; $b mount --bind /newroot/run/modules /newroot/lib/modules
exec $b switch_root /newroot /bin/bash /run/start/start
INIT
  chmod +x "$tree/init"
}

# What the kernel's first process does: mounts, the command in the caller's folder, its status, power off.
write_start() {
  echo 'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t devpts devpts /dev/pts 2>/dev/null'
  echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root OUT=/run/out'
  echo 'ip link set lo up; echo 1 >/proc/sys/kernel/printk'
  printf 'cd %q;' "$PWD"; printf ' %q' "$@"; echo ' </dev/null'
  echo 'echo $? >/run/out/.status; sync; echo o >/proc/sysrq-trigger; sleep 20'
}

boot() {
  local cache=$1 start=$2 out=$3 release
  release=$(ls "$cache/root/lib/modules")
  timeout "${LIMIT:-300}" qemu-system-x86_64 -M q35 -m "${MEM:-2048}" -smp 2 -accel tcg,thread=multi -cpu max \
    -nic none -display none -vga none -serial stdio -monitor none -no-reboot \
    -kernel "$cache/root/boot/vmlinuz-$release" -initrd "$cache/initrd.gz" -append 'console=ttyS0 quiet loglevel=3 panic=-1' \
    -virtfs local,path=/,mount_tag=host,security_model=none,multidevs=remap \
    -virtfs "local,path=$start,mount_tag=start,security_model=none" \
    -virtfs "local,path=$cache/root/lib/modules,mount_tag=modules,security_model=none" \
    -virtfs "local,path=$out,mount_tag=out,security_model=none" </dev/null | sed -u 's/\r$//' || true
}

main "$@"
