#!/bin/sh
# Processes the shards of this pod's work queue, and journals what it served when.
#
# The file shards.txt has a line `<shard> <deadline>` for each shard that this pod may serve, in seconds as in
# /proc/uptime. So a file of a dead sidecar expires by itself. There is one process, which looks before each piece of
# work. So whatever is not in shards.txt any more has stopped when its stop id is seen, and can be confirmed.
set -u

dir=/var/run/cairn queue='' journal=''
while [ $# -gt 0 ]; do
  case $1 in
    --target) dir=${2#unix:} dir=${dir%/cairn.sock} ;;
    --queue) queue=$2 ;;
    --journal) journal=$2 ;;
    *) echo "worker.sh: $1 is not known; see the top of this file" >&2; exit 2 ;;
  esac
  shift 2
done

# Hundredths of a second on CLOCK_BOOTTIME, which is what deadlines count.
now() {
  read -r up rest < /proc/uptime
  echo "${up%.*}${up#*.}"
}

note() { echo "$(now)0000000 $1 $2 $3" >> "$journal"; }

# POST or PUT to the sidecar: method, path, body.
ask() {
  curl -s -f -o /dev/null --max-time 2 --unix-socket "$dir/cairn.sock" -X "$1" \
    -H 'Content-Type: application/json' -d "$3" "http://localhost$2"
}

# A field of shards.json, up to the next of these characters: field, characters.
field() { printf '%s' "$json" | sed -n "s/.*\"$1\":\([^$2]*\).*/\1/p"; }

# The fence of a shard, `<epoch>-<revision>`.
fence() {
  revision=$(printf '%s' "$fences" | tr '{,' '\n\n' | sed -n "s/^\"$1\"://p")
  [ -n "$revision" ] && echo "$epoch-$revision"
}

# One piece of work: the counter of the shard. The file refuses smaller fences than the one it has.
process() {
  last_epoch=0 last_revision=0 count=0
  [ -e "$queue/$1" ] && read -r last_epoch last_revision count < "$queue/$1"
  [ "$last_epoch" -gt "${2%-*}" ] && return 1
  [ "$last_epoch" -eq "${2%-*}" ] && [ "$last_revision" -gt "${2#*-}" ] && return 1
  echo "${2%-*} ${2#*-} $((count + 1))" > "$queue/$1.new" && mv "$queue/$1.new" "$queue/$1"
}

# Ends what is served and is not in this list of `<shard>:<fence>`.
end_all_but() {
  for served in $serving; do
    case " $* " in
      *" $served "*) ;;
      *) note stop "${served%:*}" "${served#*:}" ;;
    esac
  done
}

# What may be served now, one piece of work each.
serve() {
  json=$(cat "$dir/shards.json" 2> /dev/null) epoch=$(field epoch ,) fences=$(field fences '}')
  still=''
  while read -r shard deadline; do
    [ -n "$deadline" ] || continue
    # The reading of the clock may be a hundredth old.
    [ $(($(now) + 1)) -lt "${deadline%.*}${deadline#*.}" ] || continue
    by=$(fence "$shard") || continue
    case " $serving " in
      *" $shard:$by "*) ;;
      # Under another fence it is another grant.
      *" $shard:"*) continue ;;
      *) note serve "$shard" "$by"; serving="$serving $shard:$by" ;;
    esac
    process "$shard" "$by" && still="$still $shard:$by"
  done <<LINES
$(cat "$dir/shards.txt" 2> /dev/null)
LINES
  end_all_but $still
  serving=$still
}

# Confirms all that is stopping in the shards.json that was just served by.
confirm() {
  stops=$(field stopping ']' | tr '{},' '\n\n\n' | sed -n 's/^"stop":\(.*\)/\1/p' | paste -s -d , -)
  [ -z "$stops" ] || ask POST /v1/stopped "{\"stops\":[$stops]}"
}

serving='' json='' ending=false
trap 'ending=true' TERM INT
# Who only reads files has to say that it takes part; cairn.dev/participate: start says so, too.
until ask PUT /v1/self/state '{"state":"participant"}' || $ending; do sleep 0.2; done
until $ending; do
  serve
  confirm
  sleep 0.05
done
end_all_but
