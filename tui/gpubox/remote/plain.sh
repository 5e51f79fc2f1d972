# The probe of a box without Python: /proc, nvidia-smi, ps and df. gpubox.agent.shell_samples reads what it writes.
#
# Each line begins with a letter that says what it is; a line of one dot ends a block. nvidia-smi and df run
# beside the loop, for they may hang for ever, and their lines come in between: the shell writes each line at once,
# so lines never mix. The rest of stdin is the channel: `beat N` is answered, its end ends everything.
# $1 is the interval.
export LC_ALL=C PATH="$PATH:/usr/bin:/bin:/usr/lib/wsl/lib:/opt/bin:/usr/local/nvidia/bin"
exec 3<&0 </dev/null 2>/dev/null
basic=index,uuid,name,pci.bus_id,driver_version,utilization.gpu,utilization.memory,memory.used,memory.total
basic=$basic,temperature.gpu,fan.speed,power.draw,pstate,clocks.sm,clocks.mem
more=enforced.power.limit,clocks.max.sm,clocks.max.mem,clocks_throttle_reasons.active
more=$more,pcie.link.gen.current,pcie.link.gen.max,pcie.link.width.current,pcie.link.width.max
more=$more,ecc.errors.corrected.volatile.total,ecc.errors.uncorrected.volatile.total
more=$more,persistence_mode,compute_mode,display_active,mig.mode.current
limit=
command -v timeout >/dev/null && limit="timeout 60"

now() { read -r up rest </proc/uptime; up=${up%.*}; }
# Not echo: that of dash turns a backslash and an n of a command line into a line break.
lines() { while IFS= read -r line; do printf "%s\n" "$1 $line"; done; }
file() { [ -r "$2" ] && lines "$1" <"$2"; }
real() { for path in $2; do [ -e "$path" ] && path=${path%/device} && echo "$1 ${path##*/}"; done; }

smi() { $limit nvidia-smi "$@" --format=csv,noheader,nounits 2>&1; }
gpus() {
    command -v nvidia-smi >/dev/null || { echo "nvidia-smi: not found" && echo "= 127" && return; }
    said=$(smi --query-gpu=$basic,$more)
    status=$?
    case $said in *"not a valid field"*)
        said=$(smi --query-gpu=$basic)
        status=$?
    esac
    printf "%s\n" "$said"
    echo "= $status"
    [ $status = 0 ] || return
    apps=$(smi --query-compute-apps=gpu_uuid,pid,used_memory)
    printf "%s\n" "$apps"
    echo "= apps"
    pids=$(printf "%s\n" "$apps" | cut -s -d, -f2 | tr -dc "0-9\n" | sort -u | paste -s -d, -)
    [ -n "$pids" ] && ps -o pid=,user:32=,rss=,etimes=,stat=,args= -p "$pids" | cut -c1-400
}
# A job that ended is gone for `kill -0` because the `wait` below takes its remains.
idle() { [ -z "$1" ] || ! kill -0 "$1"; }

once() {
    file o /etc/os-release
    file b /proc/sys/kernel/random/boot_id
    file v /proc/driver/nvidia/version
    echo "k $(uname -n) $(uname -r) $(uname -m)"
    real i "/sys/class/net/*/device"
    real s "/sys/block/*/device"
    for path in /dev/nvidia[0-9]* /dev/dxg; do [ -e "$path" ] && echo "x $path"; done
    for path in /sys/bus/pci/devices/*; do
        read -r vendor <"$path/vendor" && read -r class <"$path/class" || continue
        case $vendor$class in 0x10de0x03*) echo "x PCI ${path##*/}" ;; esac
    done
    while IFS= read -r line; do
        case $line in "model name"*) echo "h $line" && break ;; esac
    done </proc/cpuinfo
}
host() {
    while IFS= read -r line; do
        case $line in cpu*) echo "c $line" ;; *) break ;; esac
    done </proc/stat
    file l /proc/loadavg
    file u /proc/uptime
    file m /proc/meminfo
    file m /proc/spl/kstat/zfs/arcstats
    file n /proc/net/dev
    file q /proc/diskstats
}

now
beat=$up
trap 'now; beat=$up' USR1
# Before the reader below starts: where nothing comes any more, it ends this at once.
ear= asked= sized= nap=
trap 'kill $ear $asked $sized $nap $!; exit 0' TERM HUP PIPE
# Waits for the laptop beside the loop, for the loop must never wait.
{
    while read -r word number <&3; do
        case $word in
        beat) echo "{\"pong\":${number:-0}}" && kill -USR1 $$ ;;
        quit) break ;;
        esac
    done
    kill $$
} &
ear=$!
tick=0
while [ $((up - beat)) -le 45 ]; do
    [ $tick = 0 ] && once
    host
    if idle "$asked"; then
        if [ $((tick % 2)) = 0 ]; then
            since=$up
            { echo "g ="; gpus | lines g; echo "g ."; } &
            asked=$!
        fi
    else
        [ $((up - since)) -gt 10 ] && echo "w $((up - since))"
    fi
    if [ $((tick % 10)) = 0 ] && idle "$sized"; then
        { echo "d ="; df -kPl | lines d; echo "d ."; } &
        sized=$!
    fi
    echo "t $tick"
    echo . || break
    tick=$((tick + 1))
    sleep "${1:-1}" &
    nap=$!
    wait $nap
    while [ $? -gt 128 ]; do wait $nap; done
    now
done
kill $ear $asked $sized
