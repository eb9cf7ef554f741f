# The centre's image: engine, review API and their libraries, nothing that reads a GPU.
#
#   make check                                        # leaves the wheel in dist/
#   docker build -f k8s/images/centre.Dockerfile --build-arg BASE=python:3.11-slim-bookworm@sha256:… -t … .
#
# BASE has no default: pin it by digest. Any Debian with Python 3.11 or newer and the venv module will do.
ARG BASE
FROM ${BASE} AS build
COPY k8s/images/centre.lock /build/
# The environment has no pip of its own: another one fills it. Of the collector only its wire contract is needed, which
# is within the wheel; its own command would lack its libraries.
RUN python3 -m venv /build/pip \
 && python3 -m venv --without-pip /opt/flopwatch \
 && /build/pip/bin/pip --python /opt/flopwatch/bin/python3 install --no-cache-dir --require-hashes -r /build/centre.lock \
 && python3 -m compileall -q /opt/flopwatch/lib
# After the libraries, so that a build of another version finds them done.
COPY dist/flopwatch-*.whl /build/
RUN /build/pip/bin/pip --python /opt/flopwatch/bin/python3 install --no-cache-dir --no-deps --no-index /build/flopwatch-*.whl \
 && rm /opt/flopwatch/bin/flopwatch-collector \
 && python3 -m compileall -q /opt/flopwatch/lib

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="flopwatch-centre" \
      org.opencontainers.image.description="Judges what collectors measured and keeps the review queue, for flopwatch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/flopwatch /opt/flopwatch
ENV PATH=/opt/flopwatch/bin:/usr/local/bin:/usr/bin:/bin
USER 65532:65532
EXPOSE 9479
ENTRYPOINT ["/opt/flopwatch/bin/flopwatch"]
CMD ["--help"]
