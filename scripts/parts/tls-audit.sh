# sslyze and testssl.sh on FTPS and FTPES: no weak protocol or suite, no known flaw, no finding but those that
# scripts/tls_findings.py accepts and docs/PROTOCOL.md explains. Two to four minutes.
source scripts/gateway.sh
sslyze=$(python_tool sslyze)
# Scanners make dozens of connections at once, and sign in on none.
start_gateway '[access]' 'unauthenticated_per_address = 512'
authority=$(told tls_ca)
failed=0
for kind in ftps ftpes; do
    port=$(told "$kind" port)
    starttls=()
    if [[ $kind == ftpes ]]; then starttls=(--starttls ftp); fi
    echo "$kind: sslyze"
    # It fails where the listener is not what Mozilla calls intermediate.
    if ! timeout 10m "$sslyze" --json_out "$folder/$kind-sslyze.json" --mozilla_config intermediate --early_data \
        --certinfo_ca_file "$authority" "${starttls[@]}" "localhost:$port{127.0.0.1}" >"$folder/said" 2>&1; then
        cat "$folder/said"
        failed=1
    fi
    echo "$kind: testssl.sh"
    # Its exit code counts what is accepted, too.
    timeout 15m testssl --quiet --color 0 --warnings off --nodns none --ip 127.0.0.1 --connect-timeout 10 \
        --openssl-timeout 10 --add-ca "$authority" --jsonfile "$folder/$kind-testssl.json" "${starttls[@]}" \
        "localhost:$port" >"$folder/said" 2>&1 || true
    /usr/bin/python3 -B scripts/tls_findings.py "$kind" "$folder/$kind-sslyze.json" "$folder/$kind-testssl.json" || failed=1
done
exit "$failed"
