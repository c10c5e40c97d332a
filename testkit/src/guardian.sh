# Cleans up after a test process that died without doing so itself. $1: its directory.
# stdin is a pipe that only the test process holds: it says `done`, or it ends with its holder.
read -r word
[ "$word" = done ] && exit 0
cd /
round=0
while [ $round -lt 50 ]; do
    found=
    for process in /proc/[0-9]*; do
        pid=${process#/proc/}
        [ "$pid" = $$ ] && continue
        # Every server of the testkit works in its data directory, its children as well. Entering
        # the directory tells its name without starting a program for each process.
        cd -P "$process/cwd" 2>/dev/null || continue
        case "$PWD" in
        "$1" | "$1"/*)
            found=yes
            # A stopped process sleeps through the parent-death signal: wake it first.
            kill -CONT "$pid"
            [ $round -ge 20 ] && kill -KILL "$pid"
            ;;
        esac
    done 2>/dev/null
    cd /
    [ -z "$found" ] && break
    sleep 0.1
    round=$((round + 1))
done
[ -n "$TERRACE_KEEP" ] || rm -rf "$1"
