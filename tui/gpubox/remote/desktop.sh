# Desktops of a box: finds VNC servers, starts one that needs no port, tells how it does, ends it.
#
# gpubox.boxes.desktops sends assignments on stdin: act and what the act needs. Each line of the answer begins
# with a word. `start` lays a copy with the assignments before it in the desktop's folder, runs that as its keeper,
# and does not wait for it. The text of this is in $s where the box could not keep it, else in $0.
locale=${LC_ALL-}
export LC_ALL=C PATH="$PATH:/usr/local/bin:/usr/bin:/bin:/opt/TurboVNC/bin"
umask 077
say() { printf "%s\n" "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }
US=$(printf "\037")
host=
{ read -r host </proc/sys/kernel/hostname; } 2>/dev/null
uid=$(id -u)
homes=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/gpubox/desktops/${host:-box}
shared=/tmp/gpubox-desktops-$uid

# ${20} is the start time behind the parenthesis that closes the name.
started() {
    { IFS= read -r line <"/proc/$1/stat"; } 2>/dev/null || return
    set -f
    set -- ${line##*) }
    set +f
    [ "$1" = Z ] || printf "%s" "${20}"
}
# Whether a number in a file still is the process that wrote it.
runs() {
    { read -r pid ticks <"$1"; } 2>/dev/null || return 1
    [ -n "$ticks" ] && [ "$(started "$pid")" = "$ticks" ]
}
owner() {
    stat -c %U "$1" 2>/dev/null || ls -ld "$1" 2>/dev/null | { read -r x x who x; printf "%s" "$who"; }
}
lines_of() { { tr "\000\n\r" "\037  " <"$1"; } 2>/dev/null; }

list() {
    say clock "$(grep "^btime" /proc/stat | tr -dc 0-9)" "$(getconf CLK_TCK 2>/dev/null || echo 100)"
    found=
    for path in /proc/[0-9]*; do
        { read -r name <"$path/comm"; } 2>/dev/null || continue
        case " $programs " in *" $name "*) ;; *) continue ;; esac
        pid=${path#/proc/} mine=0
        ticks=$(started "$pid")
        [ -n "$ticks" ] || continue
        [ -O "$path" ] && mine=1 && found="$found $pid"
        say process "$pid $mine $ticks $(owner "$path") $name$US$(lines_of "$path/cmdline")"
    done
    for dir in "$homes"/[0-9]* "$shared"/[0-9]*; do
        [ -O "$dir" ] && runs "$dir/server" && say ours "$pid$US$dir$US$(lines_of "$dir/session")"
    done
    [ -n "$found" ] || return
    for pid in $found; do
        say sockets "$pid $(ls -l "/proc/$pid/fd" 2>/dev/null | tr -dc "[:alnum:]:\n" |
            grep -o "socket:[0-9]*" | tr -dc "0-9\n" | tr "\n" " ")"
    done
    grep -h " 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        while read -r x at x x x x x user x inode x; do
            [ "$user" = "$uid" ] && say listens "$inode" "$at"
        done
}

# Says who has a display number; stays silent when it is free, or was left behind by one of ours.
taken() {
    lock=/tmp/.X$1-lock socket=/tmp/.X11-unix/X$1
    if [ -e "$lock" ]; then
        pid=
        { read -r pid <"$lock"; } 2>/dev/null
        if [ -n "$pid" ] && [ -d "/proc/$pid" ]; then
            { read -r name <"/proc/$pid/comm"; } 2>/dev/null
            echo "live $pid $(owner "/proc/$pid") ${name:-program}"
            return
        fi
        [ -O "$lock" ] || { echo "stale 0 $(owner "$lock") lock"; return; }
    fi
    if grep -q "$socket\$" /proc/net/unix 2>/dev/null; then
        echo "live 0 $(owner "$socket") program"
    elif [ -e "$socket" ] && [ ! -O "$socket" ]; then
        echo "stale 0 $(owner "$socket") socket"
    fi
}

private() { mkdir -p "$1" 2>/dev/null && [ -O "$1" ] && [ ! -L "$1" ] && chmod 700 "$1" 2>/dev/null; }
# A folder for display $1; fails when one of ours runs or starts there.
claim() {
    dir=$base/$1
    runs "$dir/keeper" && return 1
    vacate
    rm -rf "$dir"
    mkdir "$dir" 2>/dev/null && echo "$$ $(started $$)" >"$dir/keeper"
}
# Removes the folder of a socket that lies apart from its desktop's, and nothing else in /tmp.
vacate() {
    { read -r folder <"$dir/folder"; } 2>/dev/null || return 0
    case $folder in /tmp/gpubox-*/*) ;; /tmp/gpubox-*) [ -O "$folder" ] && rm -rf "$folder" ;; esac
}
choose() {
    base=$homes
    if ! private "$base" || ! : >"$base/.writable" 2>/dev/null; then
        base=$shared
        private "$base" || { say failed "no folder of your own can be made in $homes or in /tmp"; return 1; }
    fi
    rm -f "$base/.writable"
    # One start at a time takes a number; one that was killed meanwhile holds the others up for two seconds.
    tries=0
    until mkdir "$base/.turn" 2>/dev/null || [ $tries = 40 ]; do tries=$((tries + 1)); sleep 0.05; done
    number
    set -- $?
    rmdir "$base/.turn"
    return "$1"
}
number() {
    if [ -n "$display" ]; then
        who=$(taken "$display")
        if [ -n "$who" ]; then say taken "$display $who"; return 1; fi
        claim "$display" && n=$display && return
        say taken "$display live 0 you desktop"
        return 1
    fi
    n=1
    while [ $n -lt 100 ]; do
        [ -z "$(taken $n)" ] && claim $n && return
        n=$((n + 1))
    done
    say failed "displays 1 to 99 are all taken"
    return 1
}
system() { say system "$({ . /etc/os-release; echo "$ID $ID_LIKE"; } 2>/dev/null)"; }

# Each line of $servers: name, a word of its -version, programs; of $sessions: name, weight, program, command.
pick_server() {
    program=
    while read -r kind brand programs; do
        [ "$server" = auto ] || [ "$server" = "$kind" ] || continue
        for candidate in $programs; do
            has "$candidate" && "$candidate" -version 2>&1 </dev/null | grep -q "$brand" &&
                program=$(command -v "$candidate") && return
        done
    done <<EOF
$servers
EOF
    say missing server "$server"
    system
    return 1
}
pick_session() {
    while read -r name weight needs command; do
        [ "$session" = auto ] || [ "$session" = "$name" ] || continue
        has "$needs" && chosen=$name && return
        [ "$session" = "$name" ] && break
    done <<EOF
$sessions
EOF
    case " $names auto " in *" $session "*) say missing session "$session"; system; return 1 ;; esac
    chosen=$session weight=own command=$session
}
start() {
    pick_server && pick_session && choose || return
    socket=$dir/rfb
    # sun_path holds 107 bytes; and some network disks hold no sockets.
    if [ ${#socket} -gt 100 ] || case $(stat -f -c %T "$dir" 2>/dev/null) in
        nfs* | lustre | afs | fuse* | cifs | smb* | v9fs | ceph) true ;; *) false ;; esac; then
        folder=$(mktemp -d /tmp/gpubox-XXXXXXXX) || { say failed "/tmp takes no folder"; return; }
        echo "$folder" >"$dir/folder"
        socket=$folder/rfb
    fi
    port=0
    [ "$way" = port ] && port=$((5900 + n)) socket=
    printf "%s\n" "$chosen" >"$dir/session"
    printf "%s\n" "$request" "${s:-$(cat "$0")}" >"$dir/run"
    head -c 8 /dev/urandom >"$dir/passwd"
    # One entry of Xauthority, without the program xauth: any address, this display, 16 bytes of cookie.
    entry="\0377\0377\0000\0000\0000\000${#n}$n\0000\0022MIT-MAGIC-COOKIE-1\0000\0020"
    printf "%b" "$entry" >"$dir/Xauthority"
    head -c 16 /dev/urandom >>"$dir/Xauthority"
    export n dir program kind socket port command weight
    mine=$(cat "$dir/keeper")
    stay
    # Until the keeper has signed, the number would look free to the next start.
    tries=0
    while [ "$(cat "$dir/keeper" 2>/dev/null)" = "$mine" ] && [ $tries -lt 200 ]; do
        tries=$((tries + 1))
        sleep 0.01
    done
    say at "$n $port $kind$US$dir$US$socket$US$chosen"
}
# Starts the keeper where neither the end of this login nor ctrl+c reaches it. What a plain `&` starts ignores
# ctrl+c for ever, and so would every terminal of the desktop.
stay() {
    apart=
    if [ -d /run/systemd/system ] && grep -qsi "^KillUserProcesses=[yt1]" \
        /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf; then
        [ -e "/var/lib/systemd/linger/$(id -un)" ] && has systemd-run || say ends-at-logout
        has systemd-run && apart="systemd-run --user --scope --quiet --collect"
    fi
    restore_locale
    if setsid --help 2>&1 | grep -q -e --fork; then
        setsid --fork $apart sh "$dir/run" keep </dev/null >"$dir/log" 2>&1
    elif has setsid; then
        setsid $apart sh "$dir/run" keep </dev/null >"$dir/log" 2>&1 &
    else
        (trap "" HUP; exec $apart sh "$dir/run" keep </dev/null >"$dir/log" 2>&1) &
    fi
    LC_ALL=C
    export LC_ALL
}
restore_locale() { if [ -n "$locale" ]; then LC_ALL=$locale; else unset LC_ALL; fi; }

# The keeper of one desktop: starts the server, then the session, and ends one with the other.
keep() {
    trap : HUP TERM INT
    echo "$$ $(started $$)" >"$dir/keeper.new" && mv "$dir/keeper.new" "$dir/keeper"
    mkfifo "$dir/ready" "$dir/life"
    title="$(id -un)@${host:-box} :$n"
    eval "options=\$options_$kind"
    eval "set -- $options"
    "$program" ":$n" -auth "$dir/Xauthority" -geometry "$geometry" -depth "$depth" -desktop "$title" \
        -displayfd 3 -nolisten tcp -noreset -pn "$@" 3>"$dir/ready" 4>"$dir/life" &
    server=$!
    # The server holds the write end of `life`: reading it ends with the server, however that goes.
    (read -r x <"$dir/life"; { read -r pid <"$dir/seat"; } 2>/dev/null && kill "$pid") &
    echo "$server $(started $server)" >"$dir/server"
    read -r ready <"$dir/ready"
    if [ -n "$ready" ]; then
        agent
        before=$(date +%s)
        (seat)
        echo "session $? $(($(date +%s) - before))" >>"$dir/ended"
        rm -f "$dir/seat"
        { read -r name <"/proc/$SSH_AGENT_PID/comm"; } 2>/dev/null && [ "$name" = ssh-agent ] && kill "$SSH_AGENT_PID"
        kill $server 2>/dev/null
    fi
    wait $server 2>/dev/null
    echo "server $? 0" >>"$dir/ended"
    left "GPUBOX_DESKTOP=$dir" >/dev/null
    vacate
    for name in server passwd Xauthority rfb folder ready life run keeper; do rm -f "$dir/$name"; done
}
# A full desktop starts an ssh-agent if it finds none, and leaves it when the server ends. Installed setgid, as
# Debian does, that one shows its environment to nobody but root, so it could not be told from others.
agent() {
    unset SSH_AUTH_SOCK SSH_AGENT_PID
    [ "$weight" = full ] && has ssh-agent && eval "$(ssh-agent -s)" >/dev/null
}
seat() {
    sh -c 'echo $PPID' >"$dir/seat"
    cd "${HOME:-/}" || cd /
    restore_locale
    export DISPLAY=":$n" XAUTHORITY="$dir/Xauthority" GPUBOX_DESKTOP="$dir" XDG_SESSION_TYPE=x11
    [ "$weight" = light ] && furnish
    set -- sh -c "$command"
    [ "$weight" = full ] && has dbus-run-session && set -- dbus-run-session -- "$@"
    unset SESSION_MANAGER DBUS_SESSION_BUS_ADDRESS WAYLAND_DISPLAY XDG_SESSION_ID XDG_VTNR XDG_SEAT
    unset SSH_CLIENT SSH_CONNECTION SSH_TTY n dir program kind socket port command weight
    exec "$@"
}
# A window manager alone shows a black screen, which looks like a fault.
furnish() {
    has xsetroot && xsetroot -solid "#263238"
    for terminal in x-terminal-emulator xfce4-terminal xterm; do
        # Later: a window that opens while the window manager starts may stay hidden.
        has $terminal && { (sleep 1; exec $terminal) & return; }
    done
}

# Ends what a session leaves behind, and only that: a training in tmux or under nohup goes on.
helpers=" ssh-agent gpg-agent dbus-launch dbus-daemon dbus-run-sessio at-spi-bus-laun at-spi2-registr gvfsd \
xfconfd xfsettingsd dconf-service tumblerd vncconfig gnome-keyring-d pulseaudio ibus-daemon xfce4-session \
polkit-gnome-au "
left() {
    ended=
    for path in /proc/[0-9]*; do
        { read -r name <"$path/comm"; } 2>/dev/null || continue
        case "$helpers" in *" $name "*) ;; *) continue ;; esac
        # The braces, because the shell itself complains of a file that is gone, and before it reads `2>`.
        [ -O "$path" ] && { tr "\000" "\n" <"$path/environ"; } 2>/dev/null | grep -qxF "$1" || continue
        kill "${path#/proc/}" 2>/dev/null && ended="$ended $name"
    done
    printf "%s" "$ended"
}

reported() { [ -f "$dir/ended" ] && read -r line <"$dir/ended" && say ended "$line"; }
state() {
    if reported; then
        :
    elif runs "$dir/server"; then
        say alive "$pid $ticks $(id -un)"
    elif runs "$dir/keeper"; then
        say starting
    else
        reported || say gone # it may have ended between two of these looks
    fi
    if [ -S "$socket" ] || grep -q -i ":$(printf "%04x" "$port") .* 0A " /proc/net/tcp 2>/dev/null; then
        say listens
    fi
    tail -n 40 "$dir/log" 2>/dev/null | while IFS= read -r line; do say log "$line"; done
}
stop() {
    if [ ! -O "/proc/$target" ] || [ "$(started "$target")" != "$born" ]; then
        say gone
    else
        kill "$target" || { say failed "it takes no signal"; return; }
        tries=0
        while [ "$(started "$target")" = "$born" ] && [ $tries -lt 40 ]; do
            [ $tries = 30 ] && kill -9 "$target"
            tries=$((tries + 1))
            sleep 0.1
        done
        [ "$(started "$target")" = "$born" ] && { say failed "it does not end"; return; }
        say stopped
    fi
    tries=0
    while [ -n "$dir" ] && runs "$dir/keeper" && [ $tries -lt 30 ]; do tries=$((tries + 1)); sleep 0.1; done
    [ -n "$seats" ] && say left "$(left "DISPLAY=:$seats")"
}
password() {
    if [ -n "$octal" ]; then
        printf "$octal" >"$dir/passwd.new" && mv "$dir/passwd.new" "$dir/passwd" && say written
    else
        for file in "$path" "$HOME/.vnc/passwd" "$HOME/.config/tigervnc/passwd"; do
            [ -n "$file" ] && [ -O "$file" ] && say bytes "$(od -An -tx1 -N8 "$file" | tr -d " \n")" && return
        done
    fi
}
if [ "$1" = keep ]; then
    act=keep
else
    request=$(cat)
    eval "$request"
fi
$act
