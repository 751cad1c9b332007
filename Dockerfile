# plimsoll with ffmpeg, as a server:
#   docker build -t plimsoll .
#   docker run --memory 2g -v films:/var/lib/plimsoll plimsoll
# Any other command works too: docker run ... plimsoll run -o /videos/out /videos
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --profile dist --locked --bin plimsoll

FROM debian:bookworm-slim
# Versions are those of Debian's release, with its security updates: pinned ones would be gone from its archive soon.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates ffmpeg tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/dist/plimsoll /usr/local/bin/plimsoll
COPY profiles /usr/local/share/plimsoll/profiles
COPY presets /usr/local/share/plimsoll/presets
# Queue, logs and outputs. Whoever the container runs as may write here (`--user`), also without being known to the image.
RUN install -d -m 1777 /var/lib/plimsoll
ENV HOME=/var/lib/plimsoll \
    PLIMSOLL_STATE_DIR=/var/lib/plimsoll/state \
    PLIMSOLL_OUT=/var/lib/plimsoll/films
WORKDIR /var/lib/plimsoll
VOLUME /var/lib/plimsoll
USER 10001:10001
# tini takes away the ended processes that hooks leave behind; SIGTERM stops the jobs in order, they stay in the queue.
ENTRYPOINT ["tini", "--", "plimsoll"]
CMD ["serve"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 CMD ["plimsoll", "status"]
