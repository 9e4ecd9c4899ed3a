# Steps of ./check: each runs, whatever became of the one before, and a summary at the end says which failed.
# Sourced, not run.

summary=()
failed=0

# step NAME COMMAND…
step() {
    local name=$1 started=$SECONDS outcome=passed
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    if ! "$@"; then
        outcome=FAILED
        failed=1
    fi
    summary+=("$(printf '%-8s %-22s %5d s' "$outcome" "$name" $((SECONDS - started)))")
}

finish() {
    printf '\n== summary (%d s)\n' "$SECONDS"
    printf '%s\n' "${summary[@]}"
    exit "$failed"
}

# run_parts [PART…]: the long parts, each a script in scripts/parts, each at most 75 minutes.
run_parts() {
    local parts=("$@") part sources mark
    if [[ ${#parts[@]} -eq 0 ]]; then
        for part in scripts/parts/*.sh; do
            parts+=("$(basename "$part" .sh)")
        done
    fi
    for part in "${parts[@]}"; do
        if [[ ! -f scripts/parts/$part.sh ]]; then
            printf 'no such part: %s (there are: %s)\n' "$part" "$(basename -s .sh scripts/parts/*.sh | xargs)" >&2
            exit 2
        fi
    done
    sources=$(state_of_sources)
    mkdir -p target/check-full
    for part in "${parts[@]}"; do
        mark=target/check-full/$part.passed
        if [[ -f $mark && $(<"$mark") == "$sources" ]]; then
            summary+=("$(printf '%-8s %-22s before, on these sources' passed "$part")")
            continue
        fi
        rm -f "$mark"
        step "$part" timeout --foreground 75m bash -euo pipefail "scripts/parts/$part.sh"
        if [[ ${summary[-1]} == passed* ]]; then
            printf '%s\n' "$sources" >"$mark"
        fi
    done
    finish
}

# One word for what would be built: every tracked or new file's contents.
state_of_sources() {
    git ls-files -z --cached --others --exclude-standard | sort -z |
        { xargs -0 sha256sum -- 2>/dev/null || true; } | sha256sum | cut -d' ' -f1
}
