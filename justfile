# `just` lists the recipes; `just check` is what CI runs.

_default:
    @just --list

# Everything CI runs: formatting, lints, tests, docs, and the demo without a screen.
check:
    .ci/run

# The tests, as the README says.
test *ARGS:
    cargo test {{ARGS}}

# The tests so many times beside four processes that spin and one that writes to the disk: none may fail (12 minutes each).
loaded RUNS="10":
    tests/loaded.sh {{RUNS}}

# The main job on clips of its own.
demo *ARGS:
    cargo run --release -- demo --yes {{ARGS}}

# Launch overhead per job, the console's frame time, from key to screen, the engine's step time, a thousand forecasts, and what
# sampling memory costs.
bench *ARGS:
    cargo bench {{ARGS}}
    cargo test --release --test terminal latency:: -- --nocapture
    cargo test --release --lib forecast -- --ignored --nocapture a_thousand_runs
    cargo test --release --test proofs sampling_ten_times_a_second -- --nocapture

# Two hundred films of one second against `xargs -P2` with the same command, three times: the ratio, and the processor time of
# a job beside its encoder; needs a machine with nothing else to do (five minutes).
short-films:
    cargo test --release --test proofs short_films:: -- --ignored --nocapture

# What ffmpeg really holds, recipe by recipe, against the memory model (fifteen minutes). PLIMSOLL_PEAKS=WORD,WORD chooses rows,
# PLIMSOLL_PEAKS_CLIPS=DIR keeps the clips.
peaks:
    cargo test --test proofs peaks:: -- --ignored --nocapture

# The pictures of the README, drawn by the program itself while demo.tape is played.
picture:
    PLIMSOLL_PICTURES=docs PLIMSOLL_TAPE_CACHE=/tmp/videos cargo test --test terminal the_tape

# Every screen in every look and size as SVG, for the eye of whoever has changed one.
looks DIR:
    mkdir -p {{DIR}}
    PLIMSOLL_LOOKS={{absolute_path(DIR)}} cargo test --lib every_screen_is_drawn -- --ignored

# Licences, sources and advisories of the dependencies (needs cargo-deny).
deny:
    cargo deny check

# Compiles everything as on a system that is not Linux: all that is marked as Linux's is left out of a copy of the sources.
portable:
    tests/portable.sh

# Every proof in a real memory cgroup, the long ones too; needs root or a delegated group.
box:
    cargo test --release --test proofs boxes:: -- --include-ignored --nocapture

# The governor and the queue in virtual time: 1,500 random queues with and without it, 3,000 of every property (two minutes).
governor:
    GOVERNOR_QUEUES=1500 GOVERNOR_CASES=3000 cargo test --release --test engine -- governor:: sim:: room:: --nocapture

# Takes the governor's rules out one at a time; each must fail a test (about ten minutes, writes src/engine/MUTANTS.md).
mutants:
    tests/mutants.sh

# The long proofs of `plimsoll compare`: eight 1080p clips under three profiles, and a box of 512 MB (five minutes).
compare-proof:
    cargo test --release --test cli compare:: -- --include-ignored --nocapture

# The console over a real sshd on loopback, and what happens when the line drops (gets OpenSSH's server where it is missing).
ssh:
    command -v /usr/sbin/sshd >/dev/null || apt-get install -y --no-install-recommends openssh-server openssh-client
    cargo test --test terminal ssh:: -- --ignored --test-threads 1

# The hostile files under strace: every open and every connection is looked at (needs strace).
hostile:
    cargo test --test proofs hostile:: -- --include-ignored --nocapture

# Real footage: every film that its tests make, under every profile too, and read by a second program (mediainfo, mkvtoolnix).
footage:
    cargo test --test footage
    cargo test --test footage -- --ignored --nocapture --test-threads 1
    PLIMSOLL_FILMS=$PWD/target/tmp cargo test --lib every_film_of_a_folder -- --ignored --nocapture

# Films with a damaged index, read with and without ffprobe: each byte of it changed in turn (five minutes).
index:
    PROPTEST_CASES=${PROPTEST_CASES:-100000} cargo test --lib a_damaged_index
    cargo test --lib any_one_byte_changed -- --ignored --nocapture

# Hundreds of random kills and signals over queues of sixty, disks of every size, I/O errors (five minutes; root for the disks).
chaos:
    cargo test --release --test proofs chaos:: -- --include-ignored --nocapture --test-threads 1

# A thousand films into a watched folder, by slow copies, rsync, mv and FTP's temporary names, with lost events and a restart
# in the middle, and a control that must find half films (four minutes; root for the limits of inotify).
watch:
    cargo test --test cli arrivals:: -- --include-ignored --nocapture --test-threads 1

# Windows and their server: eight consoles and a hundred thousand events beside an engine that nobody looks at, 300 random kills
# (PLIMSOLL_CHAOS=N: so many), and from a start to the first frame: with a new state folder, a known one, a server that is there.
# The first frame needs a machine with nothing else to do (ten minutes).
windows:
    cargo test --release --test engine crowd:: -- --include-ignored --nocapture --test-threads 1
    cargo test --release --test proofs windows:: -- --include-ignored --nocapture --test-threads 1
    cargo test --release --test terminal first_frame -- --ignored --nocapture

# A hundred thousand random texts and files for everything that reads foreign ones, or PROPTEST_CASES of them; and 3,000 random
# screens.
fuzz:
    PROPTEST_CASES=${PROPTEST_CASES:-100000} cargo test --release --test proofs fuzz:: -- --nocapture
    PROPTEST_CASES=${PROPTEST_CASES:-100000} cargo test --release --lib bytes_of_chance
    PROPTEST_CASES=${PROPTEST_CASES:-3000} cargo test --release --lib tui::tests::any

# What `plimsoll plan` foretells against real runs: six queues, three profiles; needs a machine with nothing else to do (ten minutes).
plan-proof:
    cargo test --release --test cli plan:: -- --ignored --nocapture --test-threads 1

# Decided slots against fixed ones, with real jobs in boxes of 512 MB, 1 GB and 2 GB; needs a machine with nothing else to do.
adaptive-proof:
    cargo test --release --test proofs adaptive:: -- --include-ignored --nocapture --test-threads 1

# The Debian package, in target/debian, and all that is promised of it on a fresh Debian under a real systemd: needs root,
# cargo-deb, debootstrap, systemd-container and lintian (ten minutes; PLIMSOLL_DEBIAN=FOLDER keeps the fresh Debian).
deb:
    packaging/build-deb.sh
    packaging/test-deb.sh target/debian/*.deb ${PLIMSOLL_DEBIAN:-}

# A fleet of a thousand workers over a queue of a million jobs: how often the database is asked, in virtual time, and how often it can
# be asked, by the real statements on a real PostgreSQL. The figures of docs/fleet.md (four minutes).
fleet-load:
    cargo test --lib a_thousand_workers -- --include-ignored --nocapture --test-threads 1

# A fleet on real servers, the long proofs too (every step of a job broken in every way, a hundred workers that stand still): PostgreSQL (gets it where it is missing), an S3 server within the tests, two boxes
# of 512 MB with films up to 4K (memory groups), and the web application of docs/examples (needs python3 and curl; ten minutes). PLIMSOLL_FLEET_JOBS=20000 gives the eight workers of
# src/host/fleet/tests.rs so many jobs.
fleet:
    cargo test --lib fleet:: -- --include-ignored --nocapture
    cargo test --test cli fleet -- --include-ignored --nocapture
