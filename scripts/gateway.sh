# A gateway to be looked at from outside, and the Python tools that do it. Sourced by parts, not run.

# python_tool NAME: a program of PyPI in an environment of its own; answers where.
python_tool() {
    local tools=target/tools/$1
    if [[ ! -x $tools/bin/$1 ]]; then
        # Debian's Python, whatever else is on the path: scripts/install-clients knows what it needs.
        /usr/bin/python3 -m venv --clear "$tools" && "$tools/bin/pip" install --quiet "$1" >&2
    fi
    printf '%s\n' "$tools/bin/$1"
}

# start_gateway [LINE…]: `try` on free ports, with these lines of configuration; gone when the script ends. What it tells
# is then answered by `told`, and $folder is a temporary one.
start_gateway() {
    cargo build --locked --quiet
    folder=$(mktemp -d)
    printf '%s\n' "$@" >"$folder/gateway.toml"
    target/debug/lucca-gateway try --config "$folder/gateway.toml" --data "$folder/data" --json "$folder/try.json" \
        --sftp 127.0.0.1:0 --ftps 127.0.0.1:0 --ftpes 127.0.0.1:0 --api 127.0.0.1:0 --internal 127.0.0.1:0 \
        >"$folder/log" 2>&1 &
    gateway=$!
    trap 'kill "$gateway" || true; wait "$gateway" || true; rm -rf "$folder"' EXIT
    for _ in {1..300}; do
        if [[ -s $folder/try.json ]]; then return; fi
        sleep 0.1
    done
    cat "$folder/log" >&2
    echo "the gateway does not start" >&2
    return 1
}

# told KEY…: what the gateway told of itself, as in `told sftp port`.
told() {
    /usr/bin/python3 -c 'import functools, json, sys
print(functools.reduce(lambda told, key: told[key], sys.argv[2:], json.load(open(sys.argv[1]))))' "$folder/try.json" "$@"
}
