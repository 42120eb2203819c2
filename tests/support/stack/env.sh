# Sourced by up.sh and down.sh:  . env.sh DIR [FIRST_PORT]
STACK_DIR=$(mkdir -p "${1:?directory}" && cd "$1" && pwd)
STACK_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -f "$STACK_DIR/first_port" ]; then STACK_PORT=$(cat "$STACK_DIR/first_port"); else STACK_PORT=${2:-5500}; fi
STACK_PYTHON=${STACK_PYTHON:-python3}
p() { echo $((STACK_PORT + $1)); }
OIDC_URL=http://127.0.0.1:$(p 0) CT_URL=http://127.0.0.1:$(p 1) FULCIO_URL=http://127.0.0.1:$(p 2)
REKOR2_URL=http://127.0.0.1:$(p 5) TSA_URL=http://127.0.0.1:$(p 8)/api/v1/timestamp REKOR1_URL=http://127.0.0.1:$(p 9)
alive() { kill -0 "$1" 2>/dev/null && ! grep -q ') Z ' "/proc/$1/stat" 2>/dev/null; }
