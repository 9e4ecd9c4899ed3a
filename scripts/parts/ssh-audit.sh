# ssh-audit on the default configuration: no failure, and no warning but the two that docs/PROTOCOL.md explains.
tools=target/tools/ssh-audit
[[ -x $tools/bin/ssh-audit ]] || { python3 -m venv "$tools" && "$tools/bin/pip" install --quiet ssh-audit; }
cargo build --locked --quiet
folder=$(mktemp -d)
target/debug/lucca-gateway try --sftp 127.0.0.1:0 --api 127.0.0.1:0 --internal 127.0.0.1:0 \
    --json "$folder/try.json" >"$folder/log" 2>&1 &
gateway=$!
trap 'kill "$gateway"; rm -rf "$folder"' EXIT
for _ in {1..300}; do [[ -s $folder/try.json ]] && break; sleep 0.1; done
port=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["sftp"]["port"])' "$folder/try.json")
# It ends with 2 for warnings, 3 for failures; which they are is looked at below.
"$tools/bin/ssh-audit" --skip-rate-test -j -p "$port" 127.0.0.1 >"$folder/audit.json" || [[ $? -le 3 ]]
python3 - "$folder/audit.json" <<'END'
import json, sys

audit = json.load(open(sys.argv[1]))
explained = {"kex": "post-quantum", "mac": "encrypt-and-MAC"}
problems = [str(cve) for cve in audit.get("cves", [])]
for kind in ("kex", "key", "enc", "mac"):
    assert audit[kind], f"nothing was seen of {kind}"
    for algorithm in audit[kind]:
        notes = algorithm.get("notes", {})
        problems += [f"{algorithm['algorithm']} fails: {note}" for note in notes.get("fail", [])]
        problems += [
            f"{algorithm['algorithm']} warns: {note}"
            for note in notes.get("warn", [])
            if kind not in explained or explained[kind] not in note
        ]
sys.exit("\n".join(problems) if problems else 0)
END
echo "ssh-audit: no failure, no warning that is not explained"
