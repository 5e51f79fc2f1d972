# What listens on a box without Python: the kernel's tables, who holds the sockets, and Jupyter's own files.
#
# gpubox.boxes.services reads the answer. Each line begins with a letter: t a line of a table, h pid and inode,
# p a process, j and b a file of Jupyter and TensorBoard.
export LC_ALL=C
say() { printf "%s\n" "$*"; }
flat() { { tr "\000\n\r" "\037  " <"$1"; } 2>/dev/null; }
owner() { stat -c %u "$1" 2>/dev/null || ls -ldn "$1" 2>/dev/null | { read -r x x who x; printf "%s" "$who"; }; }
name_of() { ls -ld "$1" 2>/dev/null | { read -r x x who x; printf "%s" "$who"; }; }

say u "$(id -u)"
inodes=
table=$(grep -h " 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null)
while read -r number at to state queue timer retry user out inode rest; do
    [ -n "$inode" ] || continue
    say t "$number $at $to $state $queue $timer $retry $user $out $inode"
    inodes="$inodes|$inode"
done <<EOF
$table
EOF
[ -r /proc/net/tcp ] || say n
pids=
if [ -n "$inodes" ]; then
    # One ls for all: a process for each process of the box would take seconds.
    while read -r pid inode; do
        say h "$pid $inode"
        case " $pids " in *" $pid "*) ;; *) pids="$pids $pid" ;; esac
    done <<EOF
$(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -E "^/proc/|socket:\[(${inodes#|})\]" |
    while read -r first rest; do
        case $first in
        /proc/*) pid=${first#/proc/} pid=${pid%%/*} ;;
        *) inode=${rest##*socket:[} && echo "$pid ${inode%]*}" ;;
        esac
    done)
EOF
fi
homes="${JUPYTER_RUNTIME_DIR:-}
${XDG_DATA_HOME:-$HOME/.local/share}/jupyter/runtime"
for pid in $pids; do
    [ -r "/proc/$pid/cmdline" ] || continue
    { read -r name <"/proc/$pid/comm"; } 2>/dev/null
    say p "$pid $(owner "/proc/$pid") $(name_of "/proc/$pid") $name"
    say w "$pid $(flat "/proc/$pid/cmdline")"
    say f "$pid $(readlink "/proc/$pid/cwd" 2>/dev/null | tr "\n" " ")"
    folder=$({ tr "\000" "\n" <"/proc/$pid/environ"; } 2>/dev/null | grep "^JUPYTER_RUNTIME_DIR=")
    [ -n "$folder" ] && homes="$homes
${folder#*=}"
done
sort -u <<EOF |
$homes
EOF
    while read -r folder; do
        for file in "$folder"/jpserver-*.json "$folder"/nbserver-*.json; do
            [ -f "$file" ] && say j "$(owner "$file") $(flat "$file")"
        done
    done
for file in "${TMPDIR:-/tmp}"/.tensorboard-info/pid-*.info; do
    [ -f "$file" ] && say b "$(owner "$file") $(flat "$file")"
done
exit 0
