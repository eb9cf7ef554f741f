# The node's image: the collector and its libraries, nothing of the centre.
#
#   make check                                        # leaves the wheel in dist/
#   docker build -f k8s/images/collector.Dockerfile --build-arg BASE=python:3.11-slim-bookworm@sha256:… -t … .
#
# BASE has no default: pin it by digest. Any Debian with Python 3.11 or newer and the venv module will do.
ARG BASE
FROM ${BASE} AS build
COPY k8s/images/collector.lock /build/
# The environment has no pip of its own: another one fills it.
RUN python3 -m venv /build/pip \
 && python3 -m venv --without-pip /opt/flopwatch \
 && /build/pip/bin/pip --python /opt/flopwatch/bin/python3 install --no-cache-dir --require-hashes -r /build/collector.lock \
 && find /opt/flopwatch -name tests -type d -path "*site-packages/*" -prune -exec rm -r {} + \
 && python3 -m compileall -q /opt/flopwatch/lib
# After the libraries, so that a build of another version finds them done.
COPY dist/flopwatch-*.whl /build/
RUN /build/pip/bin/pip --python /opt/flopwatch/bin/python3 install --no-cache-dir --no-deps --no-index /build/flopwatch-*.whl \
 && rm -r /opt/flopwatch/lib/python3*/site-packages/policy /opt/flopwatch/bin/flopwatch \
 && python3 -m compileall -q /opt/flopwatch/lib

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="flopwatch-collector" \
      org.opencontainers.image.description="Counts which container used which GPU how much, for flopwatch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/flopwatch /opt/flopwatch
# The DaemonSet says user 0, because the kubelet's socket is root's; by itself it is nobody's.
USER 65532:65532
EXPOSE 9478
ENTRYPOINT ["/opt/flopwatch/bin/flopwatch-collector"]
