# Sourced by test.sh: parts that run one after the other whatever became of those before, and a table of them at the end.

PARTS=()
PARTS_FAILED=0
# PARTS_LOG names a file that holds what the part that runs has printed.

# part NAME COMMAND [ARGUMENT ...]: runs it, keeps its seconds and how many tests passed and failed.
part() {
    local name=$1 started=$SECONDS state=ok counts
    shift
    step "$name"
    if ! "$@" 2>&1 | tee "$PARTS_LOG"; then
        state=FAILED
        PARTS_FAILED=$((PARTS_FAILED + 1))
    fi
    counts=$(awk '/^test result:/ { passed += $4; failed += $6 } END { if (passed + failed) printf "%d %d", passed, failed; else printf "- -" }' "$PARTS_LOG")
    PARTS+=("$name|$state|$counts|$((SECONDS - started))")
}

# Prints the table; fails when a part has failed.
parts_end() {
    local row name state counts seconds
    step "what ran"
    printf '%-44s %-7s %7s %7s %8s\n' part state passed failed seconds
    for row in "${PARTS[@]}"; do
        IFS='|' read -r name state counts seconds <<<"$row"
        # shellcheck disable=SC2086 # two words on purpose
        printf '%-44s %-7s %7s %7s %8s\n' "$name" "$state" $counts "$seconds"
    done
    printf '%-44s %-7s %7s %7s %8s\n' all "$([ "$PARTS_FAILED" = 0 ] && echo ok || echo FAILED)" '' '' "$SECONDS"
    [ "$PARTS_FAILED" = 0 ] || fail "$PARTS_FAILED of ${#PARTS[@]} parts failed"
}
