#!/bin/sh
# Shows that the function answers under cargo-lambda: `cargo lambda watch` serves it, `cargo lambda invoke` sends it a
# sample event, and the answer holds the policy that admits the client. Needs python3 and cargo, no Docker and no
# credentials; cargo-lambda comes from PyPI, pinned, into a virtual environment below target/ (VENV names another).
set -eu
cd "$(dirname "$0")/.."

requirements=ci/requirements-cargo-lambda.txt
venv=${VENV:-target/venv/cargo-lambda}
event=events/rest-allow.json
export PIP_DISABLE_PIP_VERSION_CHECK=1
# The default configuration by its whole path: the function's task root is not this directory.
AUTHORIZER_CONFIG="$(pwd)/authorizer.toml"
export AUTHORIZER_CONFIG
unset AUTHORIZER_CONFIG_TOML

work=$(mktemp -d)
watch='' reader=''

step() { printf '== cargo-lambda: %s\n' "$1" >&2; }

fail() {
    printf 'cargo-lambda: %s\n' "$1" >&2
    cat "$work/log" >&2 || true
    exit 1
}

# Ends the watch, and waits until nothing that it started holds its output any more.
end_watch() {
    if [ -n "$watch" ]; then
        kill -TERM "$watch" 2>/dev/null || true
        wait "$watch" 2>/dev/null || true
        watch=''
    fi
    if [ -n "$reader" ]; then
        timeout 30 tail --pid="$reader" -f /dev/null || {
            kill "$reader" 2>/dev/null || true
            reader=''
            fail 'the watch left a process behind'
        }
        reader=''
    fi
}

trap 'end_watch; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

if ! cmp -s "$requirements" "$venv/pinned"; then
    step "install $(grep -v '^#' "$requirements" | tr '\n' ' ')"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --requirement "$requirements"
    cp "$requirements" "$venv/pinned"
fi
PATH="$(cd "$venv/bin" && pwd):$PATH"
export PATH

step 'build'
cargo build --locked --quiet --bin mtls-authorizer

step 'watch'
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkfifo "$work/output"
cat "$work/output" > "$work/log" &
reader=$!
cargo lambda watch --ignore-changes --bin mtls-authorizer \
    --invoke-address 127.0.0.1 --invoke-port "$port" > "$work/output" 2>&1 &
watch=$!
attempts=0
until python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$port" 2>/dev/null; do
    kill -0 "$watch" 2>/dev/null || fail 'the watch ended before it listened'
    attempts=$((attempts + 1))
    [ "$attempts" -lt 300 ] || fail 'the watch does not listen'
    sleep 0.2
done

step "invoke with $event"
cargo lambda invoke --invoke-address 127.0.0.1 --invoke-port "$port" --data-file "$event" mtls-authorizer \
    > "$work/answer" || fail 'the invocation failed'
python3 - "$work/answer" "$event" <<'PYTHON' || fail 'the answer is not the policy that admits the client'
import json, sys
answer, event = (json.load(open(path)) for path in sys.argv[1:])
allow = answer["policyDocument"]["Statement"][0]
assert allow["Effect"] == "Allow" and allow["Action"] == "execute-api:Invoke", answer
stage = event["methodArn"].rsplit("/GET/", 1)[0]
assert f"{stage}/GET/orders/*" in allow["Resource"], answer
assert answer["context"]["clientId"] == "orders-service", answer
PYTHON

step 'end'
end_watch
grep -q '"message":"decision","decision":"Allow"' "$work/log" || fail 'the decision was not logged'
step 'the function answers'
