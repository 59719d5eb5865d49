# One image for every role, for amd64 and arm64:
#
#     docker buildx build --platform linux/amd64,linux/arm64 -t xinheng:0.1.0 .
#
# The compiler always runs on the builder's own architecture and compiles for the other; nothing is emulated.
ARG RUST=rust:1.95-slim-bookworm

FROM --platform=$BUILDPLATFORM ${RUST} AS tools
SHELL ["/bin/bash", "-eu", "-o", "pipefail", "-c"]
ARG CARGO_CHEF=0.1.78
# Both compilers by their full names, so that the same lines serve either architecture.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates g++-aarch64-linux-gnu g++-x86-64-linux-gnu libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add aarch64-unknown-linux-gnu x86_64-unknown-linux-gnu \
    && cargo install cargo-chef --version "${CARGO_CHEF}" --locked
ENV CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
    CC_x86_64_unknown_linux_gnu=x86_64-linux-gnu-gcc
WORKDIR /work

# What the dependencies are, without a line of ours.
FROM tools AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM tools AS build
ARG TARGETARCH
COPY k8s/image/target.sh k8s/image/
COPY --from=plan /work/recipe.json recipe.json
# This layer stays as it is until a dependency changes.
RUN cargo chef cook --release --locked --package xinheng --target "$(k8s/image/target.sh "${TARGETARCH}")" --recipe-path recipe.json
COPY . .
RUN target="$(k8s/image/target.sh "${TARGETARCH}")" \
    && cargo build --release --locked --package xinheng --target "${target}" \
    && k8s/image/root.sh "target/${target}/release/xinheng" /image \
    && mkdir /data \
    && mv /image/var/lib/xinheng /data/

# No shell, no package manager: the binary, the libraries that it names, the authorities that it trusts, one user.
FROM scratch
COPY --from=build --chown=0:0 /image /
# A folder that is there already keeps its owner, so this one must not come with the others.
COPY --from=build --chown=65532:65532 /data /var/lib
USER 65532:65532
ENV XINHENG_DATA_DIR=/var/lib/xinheng \
    XINHENG_LISTEN=0.0.0.0:8080 \
    XINHENG_ADMIN_LISTEN=0.0.0.0:9090
EXPOSE 8080 9090
VOLUME ["/var/lib/xinheng"]
ENTRYPOINT ["/usr/bin/xinheng"]
CMD ["up"]
