#!/bin/bash
# Stops what up.sh started, by its pid files:  down.sh DIR
. "$(dirname "${BASH_SOURCE[0]}")/env.sh" "${1:?directory}"
for f in "$STACK_DIR"/pid/*; do
  [ -f "$f" ] && alive "$(cat "$f")" && kill "$(cat "$f")" 2>/dev/null
done
for f in "$STACK_DIR"/pid/*; do
  [ -f "$f" ] || continue
  n=$(cat "$f")
  for _ in $(seq 1 50); do alive "$n" || break; sleep 0.1; done
  alive "$n" && kill -9 "$n"
  rm -f "$f"
done
exit 0
