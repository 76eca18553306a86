#!/bin/sh
# Runs a command where the described card, kernel module and device nodes are seen: in a mount namespace of its own.
#   enter.sh FOLDER COMMAND...      FOLDER holds pci/, and where the module is loaded module/, proc/ and nodes
set -e
folder=$1
path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
shift
root=/
if [ -e /.dockerenv ]; then  # a workstation is no container; nothing is removed outside
    mkdir -p "$folder/upper" "$folder/work" "$folder/root"
    if mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root" 2>/dev/null; then
        root=$folder/root
        rm -f "$root/.dockerenv"
        for name in proc sys dev; do mount --rbind "/$name" "$root/$name"; done
    fi
fi
mount --bind "$folder/pci" "$root/sys/bus/pci/devices"
mount --bind "$folder/module" "$root/sys/module"
mount --bind "$folder/proc" "$root/proc/driver"
if [ -e "$folder/nodes" ]; then
    mkdir -p "$folder/dev"
    mount -t tmpfs dev "$folder/dev"
    for name in null zero full random urandom tty; do
        : > "$folder/dev/$name"
        mount --bind "/dev/$name" "$folder/dev/$name"
    done
    mkdir "$folder/dev/shm" "$folder/dev/pts"
    mount --bind /dev/shm "$folder/dev/shm"
    mount --bind /dev/pts "$folder/dev/pts"
    ln -s /proc/self/fd "$folder/dev/fd"
    for name in nvidia0 nvidiactl nvidia-uvm; do
        : > "$folder/dev/$name"
        chmod "$(cat "$folder/nodes")" "$folder/dev/$name"
    done
    mount --rbind "$folder/dev" "$root/dev"
fi
exec chroot "$root" env -C "$PWD" "PATH=$path" "$@"
