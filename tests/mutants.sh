#!/usr/bin/env bash
# Removes one rule of the governor at a time in a copy of the tree and runs the governor's tests there: each must fail.
# Writes the table to src/engine/MUTANTS.md. Only the pure floors are copied, so that each takes seconds.
# MUTANTS_MATCH='*kill*' runs only the rules whose words match; the others keep the row that they have.
set -u
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR=${MUTANTS_TARGET:-$PWD/target/mutants} CARGO_TERM_COLOR=never RUST_BACKTRACE=0
export GOVERNOR_CASES=${GOVERNOR_CASES:-60} PROPTEST_MAX_SHRINK_ITERS=0
deadline=${MUTANTS_UNTIL:-9999999999}

mkdir -p "$copy/src" "$copy/tests" "$copy/sound/src"
cp -r src/domain src/engine src/sim "$copy/src/"
# What is changed in the tree from here on does not count.
cp -r src/engine "$copy/sound/src/"
mkdir "$copy/tests/engine"
cp -r tests/support tests/data "$copy/tests/"
cp tests/engine/governor.rs "$copy/tests/engine/"
# Only the tests of the governor, and the helper that they use.
printf 'pub mod modelled;\n' >"$copy/tests/support/mod.rs"
printf '#[path = "../support/mod.rs"]\nmod support;\nmod governor;\n' >"$copy/tests/engine/main.rs"
# Of the crates only those that these floors use: nothing that takes minutes to build.
{
    printf '[package]\nname = "plimsoll"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\n'
    grep -E '^(serde|serde_json|jiff) = ' Cargo.toml
    printf '[dev-dependencies]\n'
    grep -E '^proptest = ' Cargo.toml
    printf '[features]\nfleet = []\n'
    printf '[profile.dev]\ndebug = 0\nopt-level = 1\n'
} >"$copy/Cargo.toml"
cp Cargo.lock "$copy/"
printf '//! The pure floors.\npub mod domain;\npub mod engine;\npub mod sim;\n' >"$copy/src/lib.rs"

# run TARGETS: the library's own tests cost as much time again, and only some rules are theirs.
run() { (cd "$copy" && timeout "${MUTANT_TIMEOUT:-240}" cargo test --offline -q "$@" --no-fail-fast -- --skip of_many_random_queues >"$copy/log" 2>&1); }

table=${MUTANTS_TABLE:-src/engine/MUTANTS.md}
before=$(cat "$table" 2>/dev/null)
MUTANT_TIMEOUT=900 run --lib --test engine || { echo 'the sound engine fails:'; tail -40 "$copy/log"; exit 1; }
{
    echo '# Rules, and the test that fails without each'
    echo
    echo "Made by \`tests/mutants.sh\`: each rule is taken out of a copy of the engine, and the governor's tests run"
    echo '(without the 1,500 queues). A rule without which nothing fails is marked **survives**.'
    echo
    echo '| floor | without this rule | fails |'
    echo '| --- | --- | --- |'
} >"$table"

# mutant KIND RULE FILE SED
mutant() {
    # shellcheck disable=SC2053 # the right side is a pattern
    if [[ "$2" != ${MUTANTS_MATCH:-*} ]] || [ "$(date +%s)" -ge "$deadline" ]; then
        grep -F "| $1 | $2 | " <<<"$before" >>"$table" || echo "| $1 | $2 | **not run** |" >>"$table"
        return
    fi
    local file=src/engine/$3
    local sound=$copy/sound/$file
    sed -i -E "$4" "$copy/$file"
    if cmp -s "$sound" "$copy/$file"; then
        echo "| $1 | $2 | **the patch no longer applies** |" >>"$table"
        return
    fi
    local fails targets=(--test engine)
    case $3 in levels.rs | estimate/*) targets+=(--lib) ;; esac
    if run "${targets[@]}"; then fails='**survives**'; elif grep -q '^error\(\[\|: could not compile\)' "$copy/log" && ! grep -q FAILED "$copy/log"; then
        fails='**does not compile**'
    else
        fails=$(sed -n 's/^    \(governor::\)*\([a-z_0-9:]*\)$/\2/p' "$copy/log" | sort -u | awk 'NR<=2 {printf "%s`%s`", (NR>1?", ":""), $0} END {if (NR>2) printf " and %d more", NR-2}')
        [ -n "$fails" ] || fails='(never ends)'
    fi
    echo "| $1 | $2 | $fails |" | tee -a "$table"
    cp "$sound" "$copy/$file"
}

L=governor/ledger.rs R=governor/escalation.rs G=governor/mod.rs
mutant admission 'the sum fits under the line' $L 's/needs <= free \&\& !is_somebody/!is_somebody/'
mutant admission 'the level is Normal' $L 's/self\.levels\.level\(\) == Level::Normal/true/'
mutant admission 'a fresh sample' $L 's/!self\.is_fresh\(\) \|\| !self\.is_kill/!self.is_kill/'
mutant admission 'no action since the sample' $G 's/is_recent \&\& self\.governor\.last_action.*/is_recent/'
mutant admission 'nothing is stopped' $L 's/ \&\& self\.governor\.stopped\.is_empty\(\) \{ Fit/ { Fit/'
mutant admission 'what a job has taken counts beyond its reserve' $L 's/self\.reserve\(id\)\.max\(self\.anon\(id\)\),/self.reserve(id),/'
mutant admission 'the model gets a margin' $L 's/MODEL_MARGIN: f64 = 1.15/MODEL_MARGIN: f64 = 1.0/'
mutant admission 'the reserve for console and sshd is kept' $L 's/\.max\(lines\.reserve\)//'
mutant admission 'alone, nearly up to the budget' $L 's/\(needs_alone, lines\.last\(\)\)/(needs_alone, lines.high_water)/'
mutant admission 'alone, without the margin' $L 's/foreseen\.unwrap_or_else/foreseen.map(|peak| peak.scale(MODEL_MARGIN)).unwrap_or_else/'
mutant admission 'what a like job took that ran wild refuses nobody' $L 's/\.chain\(self\.modelled\(id\)\.map\(\|peak\| peak\.scale\(doubt\)\)\)//'
mutant admission 'what like jobs took gets no second margin' $L 's/if estimate\.learned_from > 0 \&\& is_steady => /if estimate.learned_from > 99 => /'
mutant admission 'what was seen is planned with at once' estimate/mod.rs 's/expected\.estimate = Estimate \{ peak, learned_from \};//'
mutant admission 'an overrun teaches' $R 's/self\.learn_from_overrun\(id, seen\);//'
mutant admission 'nobody starts while others are over the line' $L 's/is_alone \&\& base >= lines/false \&\& base >= lines/'
mutant admission 'what never fits is rejected' $L 's/needs_alone > limit/false/'
mutant admission 'a reserve is raised after a kill' $L 's/RAISE: f64 = 1.5/RAISE: f64 = 1.0/'
mutant escalation 'a second over the line before anybody is stopped' $R 's/now\.since\(since\) < PATIENCE\) \|\|/false) ||/'
mutant escalation 'starts are held first' $R 's/!self\.governor\.is_holding \&\& /false \&\& /'
mutant escalation 'never the oldest, never the last' $R 's/\.skip\(1\)/.skip(0)/'
mutant escalation 'the youngest first' $R 's/\.skip\(1\)\.rev\(\)/.skip(1)/'
mutant escalation 'only who still grows' $R 's/find\(\|id\| self\.is_ramping\(\*id\)\)/find(|_| true)/'
mutant escalation 'the end of a run asks for a sample' governor/pace.rs 's/if self\.active\.is_empty\(\) \&\& self\.nothing_waits\(\) \&\& !\(self.*/if false {/'
mutant escalation 'one action, then a newer sample' $R 's/self\.governor\.pending\.is_none\(\) \&\& !is_cleaning \&\& self\.is_fresh\(\)/!is_cleaning/'
mutant escalation 'five seconds of room before going on' $R 's/ROOM_FOR: Duration = Duration::from_secs\(5\)/ROOM_FOR: Duration = Duration::ZERO/'
mutant escalation 'room for its growth' $R 's/self\.base\(\) \+ others \+ self\.share\(id\) >/self.base() >/'
mutant escalation 'the oldest goes on first' $R 's/keys\(\)\.copied\(\)\.min_by_key/keys().copied().max_by_key/'
mutant escalation 'somebody always runs' timers.rs 's/self\.resume_when_nothing_runs\(\);//'
mutant escalation 'two minutes stopped at most' $G 's/self\.kill_overdue\(\) \|\| //'
mutant escalation 'a kill only when critical' $R 's/if hard < critical \|\|/if/'
mutant escalation 'a job alone may go as far as foreseen' $L 's/\.then_some\(reach\)/.then_some(reach).filter(|_| false)/'
mutant escalation 'a job alone may go no further' $L 's/\(self\.base_alone\(\) \+ self\.reserve\(id\)\)\.min\(lines\.last\(\)\)/lines.budget/'
mutant kernel 'a limit of its own' admission.rs 's/memory_limit = self\.kernel_limit\(id\)/memory_limit = None/'
mutant kernel 'a limit well over its reserve' $L 's/\(self\.reserve\(id\)\.scale\(OVERRUN\) \+ CACHE\)\.max\(free\)/free/'
mutant kernel 'a limit of all that nobody was promised' $L 's/\(self\.reserve\(id\)\.scale\(OVERRUN\) \+ CACHE\)\.max\(free\)/(self.reserve(id).scale(OVERRUN) + CACHE)/'
mutant kernel 'a limit never above the budget' $L 's/\.max\(free\)\.min\(lines\.budget\)/.max(free)/'
mutant kernel 'limits follow who comes and goes' mod.rs 's/self\.adjust_limits\(\);//'
mutant kernel 'no limits in a naive run' $L 's/!self\.config\.governor \|\| lines\.budget == Bytes::ZERO/lines.budget == Bytes::ZERO/'
mutant warnings 'a pass is one occasion, however many steps' cleanup_plan.rs 's/if pending\.action == STEPS\[0\] \{$/if true {/'
mutant escalation 'a kill only if ours are enough' $R 's/ours < deficit/false/'
mutant escalation 'a feasible Critical acts at once' $G 's/self\.kill_when_critical\(\) \|\| //'
mutant escalation 'first who is far over its reserve' $R 's/^                0$/                2/'
mutant escalation 'then who is stopped' $R 's/^                1$/                2/'
mutant escalation 'prefer who is enough alone' $R 's/\(is_short, class,/(false, class,/'
mutant escalation 'kills are spaced' $R 's/self\.now\.mono >= over \+ KILL_SPACING/true/'
mutant escalation 'three further tries' $R 's/MEMORY_TRIES: u32 = 3/MEMORY_TRIES: u32 = 30/'
mutant escalation 'who had all there is is not tried again' $R 's/if had_all \{/if false {/'
mutant escalation 'stopping frees nothing and says so' $R 's/\(Bytes::ZERO, CleanupVerdict::Effective\)/(pending.held, CleanupVerdict::Effective)/'
mutant escalation 'the operator takes over what was stopped' commands.rs 's/if self\.governor\.has_stopped\(id\) => \{/if false => {/'
mutant blind 'without samples nothing new' $G 's/BLIND_INTERVALS: u32 = 3;/BLIND_INTERVALS: u32 = 9000;/'
mutant blind 'an old sample is ignored' samples.rs 's/is_some_and\(is_old\)/is_some_and(|s| false \&\& is_old(s))/'
mutant blind 'samples at least every 250 ms' governor/pace.rs 's/from_millis\(250\)/from_millis(1000)/'
mutant levels 'down after three seconds' levels.rs 's/DOWN_AFTER: Duration = Duration::from_secs\(3\)/DOWN_AFTER: Duration = Duration::ZERO/'
mutant levels 'down one at a time' levels.rs 's/Level::Critical => Level::High,/Level::Critical => Level::Normal,/'
mutant levels 'down only well below the entry' levels.rs 's/!is_well_below\(self\.level, counted, lines\)/entered >= self.level/'
mutant levels 'critical looks at what cannot be dropped' levels.rs 's/counted\.hard >= lines\.critical/counted.working_set >= lines.critical/'
S=slots.rs
mutant slots 'another one only while processors are idle' $S 's/ \&\& self\.busy\(\)\.0 < self\.cores\(\) \* FULL$//'
mutant slots 'a quarter more than there are processors' $S 's/FULL: f64 = 1.25/FULL: f64 = 1.0/'
mutant slots 'never more than 64' $S 's/MOST: usize = 64/MOST: usize = 640/'
mutant slots 'a job keeps no more busy than there are' $S 's/\.max\(seen\.unwrap_or\(0\.0\)\)\.min\(self\.cores\(\)\)/.max(seen.unwrap_or(0.0))/'
mutant slots 'what a finished one kept busy counts' $S 's/\.max\(seen\.unwrap_or\(0\.0\)\)//'
mutant slots 'less proves nothing' $S 's/estimate::parallelism\(preset\)\.max\(seen\.unwrap_or\(0\.0\)\)/seen.unwrap_or_else(|| estimate::parallelism(preset))/'
mutant slots 'a short run tells nothing' $S 's/TELLING: Duration = Duration::from_secs\(1\)/TELLING: Duration = Duration::ZERO/'
mutant slots 'whose process is gone keeps no processor' $S 's/None \| Some\(Phase::Finalizing\)\)/None)/'
mutant slots 'less than one processor counts as one' $S 's/self\.config\.cores\.max\(1\.0\)/self.config.cores/'
mutant slots 'threads share the work in part' estimate/model.rs 's/f64::midpoint\(1\.0, f64::from\(preset\.threads\.max\(1\)\)\)/f64::from(preset.threads.max(1))/'
mutant slots 'what was decided is told when it changes' $S 's/\(known\.at_once, known\.limit\) != key/true/'
mutant slots 'another profile forgets what was decided' samples.rs 's/self\.forget_decisions\(\);//'
mutant slots 'decided slots are never advised as safer' governor/warnings.rs 's/\.filter\(\|next\| next\.max_concurrent\.fixed\(\)\.is_some\(\)\)//'
mutant large 'a large job waits for its turn' $S 's/if self\.state\.large_turn\(job\)\.is_some\(\) \{/if false {/'
mutant large 'a smaller one has the free slot meanwhile' $S 's/passed = passed\.or\(Some\(\*id\)\);/return Turn { passed: Some(*id), ..Turn::default() };/'
mutant large 'the first in order that may start' $S 's/in \&self\.state\.index\.waiting \{/in self.state.index.waiting.iter().rev() {/'
mutant large 'a job that was not looked at is waited for' $S 's/if job\.media\.is_none\(\) \{/if job.media.is_none() { continue;/'
mutant large 'who waits is told once' $S 's/self\.slots\.large_told = Some\(id\);//'
mutant large 'no picture, not large' estimate/model.rs 's/(media\.video\.as_ref\(\)\) else \{ return )0/\1u64::MAX/'
! grep -q '\*\*' <(tail -n +8 "$table")
