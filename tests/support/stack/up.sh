#!/bin/bash
# Starts the private Sigstore on 127.0.0.1:  up.sh DIR FIRST_PORT
# STACK_PARTS: which (default "oidc ct fulcio rekor2 tsa"; "rekor1" wants PostgreSQL). STACK_BIN: where the servers are.
# Everything it makes lies under DIR: pid files in DIR/pid, logs in DIR/log.  Stop with down.sh DIR
set -u
. "$(dirname "${BASH_SOURCE[0]}")/env.sh" "${1:?directory}" "${2:-}"
echo "$STACK_PORT" >"$STACK_DIR/first_port"
PARTS=" ${STACK_PARTS:-oidc ct fulcio rekor2 tsa} "
mkdir -p "$STACK_DIR"/{pid,log,data}
"$STACK_PYTHON" "$STACK_HERE/pki.py" "$STACK_DIR" || exit 1
rc=0
has() { [[ $PARTS == *" $1 "* ]]; }
start() { # NAME COMMAND...
  local n=$1; shift
  (cd "$STACK_DIR" && exec setsid "$@" >"$STACK_DIR/log/$n.log" 2>&1 </dev/null) &
  echo $! >"$STACK_DIR/pid/$n"
}
wait_for() { # NAME=URL...
  "$STACK_PYTHON" "$STACK_HERE/waiting.py" 30 "$@" || { rc=1; for x in "$@"; do tail -n 3 "$STACK_DIR/log/${x%%=*}.log"; done; }
}
# Fulcio and the time stamp server open a metrics port on every address: they get a network namespace of their own.
NS="unshare -rn"; $NS true 2>/dev/null || { NS=; echo "note: no network namespaces here; metrics ports $(p 4) and 2112 listen on every address"; }
waiting=()
has oidc && start oidc "$STACK_PYTHON" "$STACK_HERE/oidc.py" "$STACK_DIR" "$(p 0)"
has ct && start ct "$STACK_PYTHON" "$STACK_HERE/ctlog.py" "$STACK_DIR" "$(p 1)"
has oidc && wait_for "oidc=$OIDC_URL/healthz"  # fulcio asks it when it starts
if has fulcio; then
  sed "s#@OIDC@#$OIDC_URL#g" "$STACK_HERE/fulcio.yaml.in" >"$STACK_DIR/fulcio.yaml"
  ARGS=(serve --ca fileca --fileca-cert "$STACK_DIR/pki/fulcio-chain.pem"
    --fileca-key "$STACK_DIR/pki/fulcio-issuing.key" --fileca-key-passwd throwaway --fileca-watch=false
    --config-path "$STACK_DIR/fulcio.yaml" --ct-log-url "$(has ct && echo "$CT_URL")"
    --host 127.0.0.1 --port "$(p 2)" --grpc-host 127.0.0.1 --grpc-port "$(p 3)" --metrics-port "$(p 4)"
    --legacy-unix-domain-socket "$STACK_DIR/fulcio-legacy.sock")
  if [ -n "$NS" ]; then
    start fulcio-forward "$STACK_PYTHON" "$STACK_HERE/forward.py" "tcp:$(p 2)=unix:fulcio.sock" \
      "unix:oidc.sock=tcp:$(p 0)" "unix:ct.sock=tcp:$(p 1)"
    start fulcio $NS "$STACK_PYTHON" "$STACK_HERE/forward.py" --lo-up "unix:fulcio.sock=tcp:$(p 2)" \
      "tcp:$(p 0)=unix:oidc.sock" "tcp:$(p 1)=unix:ct.sock" -- "$STACK_BIN/fulcio" "${ARGS[@]}"
  else
    start fulcio "$STACK_BIN/fulcio" "${ARGS[@]}"
  fi
  waiting+=("fulcio=$FULCIO_URL/api/v2/trustBundle")
fi
if has rekor2; then
  start rekor2 "$STACK_BIN/rekor-server-posix" serve --http-address 127.0.0.1 --http-port "$(p 5)" \
    --grpc-address 127.0.0.1 --grpc-port "$(p 6)" --http-metrics-port "$(p 7)" --hostname rekor2.stack.test \
    --storage-dir "$STACK_DIR/data/rekor2" --signer-filepath "$STACK_DIR/pki/rekor2.key" --checkpoint-interval 1s
  waiting+=("rekor2=$REKOR2_URL/healthz")
fi
if has tsa; then
  rm -f "$STACK_DIR/tsa.sock"
  start tsa $NS "$STACK_BIN/timestamp-server" serve --scheme unix --socket-path tsa.sock \
    --timestamp-signer file --file-signer-key-path "$STACK_DIR/pki/tsa.key" \
    --certificate-chain-path "$STACK_DIR/pki/tsa-chain.pem" --disable-ntp-monitoring
  start tsa-forward "$STACK_PYTHON" "$STACK_HERE/forward.py" "tcp:$(p 8)=unix:tsa.sock"
  waiting+=("tsa=$TSA_URL/certchain")
fi
if has rekor1; then
  PG=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1); PGD=$STACK_DIR/data/pg
  AS=; [ "$(id -u)" = 0 ] && AS="runuser -u postgres --"
  mkdir -p "$PGD"
  [ -n "$AS" ] && { chown postgres "$PGD"; d=$PGD; while [ "$d" != / ]; do d=$(dirname "$d"); [ -O "$d" ] && chmod a+x "$d"; done; }
  $AS "$PG/initdb" -D "$PGD" -U trillian --auth=trust >"$STACK_DIR/log/initdb.log" 2>&1 || { echo "initdb failed"; exit 1; }
  start postgres $AS "$PG/postgres" -D "$PGD" -h 127.0.0.1 -p "$(p 14)" -c unix_socket_directories= -c fsync=off
  PSQL="$PG/psql -qAt -h 127.0.0.1 -p $(p 14) -U trillian"
  for _ in $(seq 1 100); do $PSQL -d postgres -c 'select 1' >/dev/null 2>&1 && break; sleep 0.2; done
  $PSQL -d postgres -c 'create database trillian'
  SQL=$(ls "$(go env GOMODCACHE)"/github.com/google/trillian@*/storage/postgresql/schema/storage.sql | tail -n 1)
  $PSQL -d trillian -f "$SQL" >"$STACK_DIR/log/schema.log" 2>&1
  URI="postgresql://trillian@127.0.0.1:$(p 14)/trillian"
  start trillian-server "$STACK_BIN/trillian_log_server" --storage_system=postgresql --quota_system=noop \
    --postgresql_uri="$URI" --rpc_endpoint="127.0.0.1:$(p 10)" --http_endpoint="127.0.0.1:$(p 11)" --alsologtostderr
  start trillian-signer "$STACK_BIN/trillian_log_signer" --storage_system=postgresql --quota_system=noop \
    --postgresql_uri="$URI" --rpc_endpoint="127.0.0.1:$(p 12)" --http_endpoint="127.0.0.1:$(p 13)" \
    --force_master --sequencer_interval=200ms --batch_size=200 --num_sequencers=1 --alsologtostderr
  wait_for "trillian-server=http://127.0.0.1:$(p 11)/healthz"
  "$STACK_BIN/createtree" --admin_server="127.0.0.1:$(p 10)" >"$STACK_DIR/tree_id" 2>"$STACK_DIR/log/createtree.log"
  # The metrics listener of this server is fixed at every address, port 2112, and it goes on without: occupy the port.
  (exec 3<>/dev/tcp/127.0.0.1/2112) 2>/dev/null || start hold-2112 "$STACK_PYTHON" "$STACK_HERE/forward.py" --hold 2112
  sleep 0.5
  OPS=$("$STACK_BIN/rekor-server" serve --help 2>&1 | sed -n 's/.*enabled_api_endpoints.*(default \[\(.*\)\]).*/\1/p' | tr -d ' ' | sed 's/searchIndex,\?//')
  start rekor1 "$STACK_BIN/rekor-server" serve --port "$(p 9)" --rekor_server.address 127.0.0.1 \
    --rekor_server.hostname rekor1.stack.test --rekor_server.signer "$STACK_DIR/pki/rekor1.key" \
    --trillian_log_server.address 127.0.0.1 --trillian_log_server.port "$(p 10)" \
    --trillian_log_server.tlog_id "$(cat "$STACK_DIR/tree_id")" --enabled_api_endpoints "$OPS"
  waiting+=("rekor1=$REKOR1_URL/api/v1/log")
fi
has ct && waiting+=("ct=$CT_URL/")
wait_for "${waiting[@]}"
C=$STACK_BIN/cosign3; S=2024-01-01T00:00:00Z; O=operator=stack.test; D=$STACK_DIR
A=(); has fulcio && A+=(--fulcio "url=$FULCIO_URL,certificate-chain=$D/pki/fulcio-chain.pem,start-time=$S")
has rekor2 && A+=(--rekor "url=https://rekor2.stack.test,public-key=$D/pki/rekor2.pub,start-time=$S,origin=rekor2.stack.test")
has rekor1 && A+=(--rekor "url=$REKOR1_URL,public-key=$D/pki/rekor1.pub,start-time=$S")
has ct && A+=(--ctfe "url=$CT_URL,public-key=$D/pki/ct.pub,start-time=$S")
has tsa && A+=(--tsa "url=$TSA_URL,certificate-chain=$D/pki/tsa-chain.pem,start-time=$S")
"$C" trusted-root create "${A[@]}" --out "$D/trusted_root.json" || rc=1
F=(--fulcio "url=$FULCIO_URL,api-version=1,start-time=$S,$O" --oidc-provider "url=$OIDC_URL/email,api-version=1,start-time=$S,$O")
T=(--tsa "url=$TSA_URL,api-version=1,start-time=$S,$O" --tsa-config ANY)
"$C" signing-config create "${F[@]}" --rekor "url=$REKOR2_URL,api-version=2,start-time=$S,$O" --rekor-config ANY "${T[@]}" --out "$D/signing_config.json" || rc=1
"$C" signing-config create "${F[@]}" "${T[@]}" --out "$D/signing_config_tsa_only.json" || rc=1
"$C" signing-config create "${F[@]}" --out "$D/signing_config_none.json" || rc=1
"$C" signing-config create "${F[@]}" --rekor "url=$REKOR1_URL,api-version=1,start-time=$S,$O" --rekor-config ANY --out "$D/signing_config_rekor1.json" || rc=1
exit $rc
