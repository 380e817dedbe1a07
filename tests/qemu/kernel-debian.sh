# A board's kernel as Debian has it, nothing built; sourced by kernel-NAME, which says
#   pattern  the name of the package, a regular expression; the newest one is taken
#   debian   Debian's name of the architecture
#   image    what QEMU's board wants the file to be called
#   wanted   the modules that the board's tests need
# Prints the directory that holds the kernel ($image), its configuration (config) and, in the order they load in, the modules
# (modules/NN-NAME.ko).
. "$(dirname "$0")/cache.sh"

board=${0##*/kernel-}
name=$("$here/fetch" --newest "$pattern")
package=$("$here/fetch" "$name:$debian")
key=$(key_of "$0" "$here/kernel-debian.sh" "$here/modorder.py" "@${package##*/}")
cached "kernel-$board" "$key" && exit
begin "kernel-$board" "$key"
say "unpacking $name"
mkdir "$work/package" "$work/modules"
dpkg-deb -x "$package" "$work/package"
n=10
# shellcheck disable=SC2086
python3 "$here/modorder.py" "$work/package/lib/modules" "$work/package/lib/modules/"*/modules.builtin $wanted |
    while read -r module; do
        file=${module##*/}
        cp "$module" "$work/modules/$n-$file"
        n=$((n + 1))
    done
mv "$work"/package/boot/vmlinuz-* "$work/$image"
mv "$work"/package/boot/config-* "$work/config"
[ -n "$(ls "$work/modules")" ]
keep "$work/$image" "$work/config" "$work/modules"
