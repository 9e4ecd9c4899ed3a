# ssh-audit on the default configuration: no failure, and no warning but the two that docs/PROTOCOL.md explains.
source scripts/gateway.sh
ssh_audit=$(python_tool ssh-audit)
start_gateway
# It ends with 2 for warnings, 3 for failures; which they are is looked at below.
"$ssh_audit" --skip-rate-test -j -p "$(told sftp port)" 127.0.0.1 >"$folder/audit.json" || [[ $? -le 3 ]]
/usr/bin/python3 - "$folder/audit.json" <<'END'
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
