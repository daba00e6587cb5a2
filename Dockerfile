# One image for all four processes; the command says which: python -m ingress | processors | delivery | console.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src

# Dependencies, the build backend among them, before the code: a change of the code leaves this layer as it is.
COPY requirements.lock ./
RUN python -m venv /opt/hub && /opt/hub/bin/pip install --require-hashes --only-binary=:all: -r requirements.lock

COPY pyproject.toml README.md ./
COPY schemas schemas
COPY runtime runtime
COPY ingress ingress
COPY processors processors
COPY delivery delivery
COPY console console
COPY hub hub
RUN /opt/hub/bin/pip wheel --no-build-isolation --no-deps --no-index --wheel-dir /dist . \
    && /opt/hub/bin/pip install --no-deps --no-index /dist/*.whl

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin hub \
    && install --directory --owner hub --group hub --mode 0700 /var/lib/hub
COPY --from=build /opt/hub /opt/hub
ENV PATH=/opt/hub/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HUB_HOME=/var/lib/hub HUB_HOST=0.0.0.0
USER hub
WORKDIR /var/lib/hub
VOLUME /var/lib/hub
EXPOSE 8080 8081 8082 8083
STOPSIGNAL SIGTERM
CMD ["hub", "--help"]
