#!/bin/sh
# The first process of a host: see host.ts. Makes the host's own view of the file system, says "ready", and lives until
# its input is closed. It must be bash that waits: a dash that reads would leave orphans of jobs as zombies, and a
# zombie looks alive to `kill -0`.
# Usage: host.sh NAME DIRECTORY HOME SHARED... -- HIDDEN...
set -eu
cd /
hostname "$1"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/host /run/sshd /run/shared
mount --bind "$2" /run/host
mount --bind "$3" /root
mount --bind /run/host/etc/passwd /etc/passwd
mount --bind /run/host/etc/shadow /etc/shadow
mount --bind /run/host/etc/profile /etc/profile
cat /proc/sys/kernel/random/uuid >/run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
shift 3
# What is shared may lie below what is hidden, so it is set aside first.
number=0
restore=""
while [ "$1" != -- ]; do
  number=$((number + 1))
  mkdir "/run/shared/$number"
  mount --bind "$1" "/run/shared/$number"
  restore="$restore$number $1
"
  shift
done
shift
for hidden in "$@"; do
  if [ -d "$hidden" ]; then mount -t tmpfs -o mode=1777 tmpfs "$hidden"; fi
done
printf %s "$restore" | while read -r number path; do
  mkdir -p "$path"
  mount --bind "/run/shared/$number" "$path"
done
echo ready
exec bash -c 'read -r _'
