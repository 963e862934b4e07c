# Two images: `api`, without TensorFlow, which also runs `migrate` and `sweeper`; and `worker`, with it.
# Both hold exactly the versions of locks/, checked by hash, in /opt/venv.
FROM python:3.13-slim-trixie AS python
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1


FROM python AS builder
ENV VIRTUAL_ENV=/opt/venv \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY locks/dev.txt locks/dev.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    sed -n '/^uv==/,/^ *#/p' locks/dev.txt > uv.txt \
    && python -m pip install --require-hashes --requirement uv.txt \
    && uv venv --python /usr/local/bin/python3 /opt/venv


# The wheel of the service, with migrations/ in it. Its build backend comes from the lock, too.
FROM builder AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY migrations migrations
COPY workers workers
RUN --mount=type=cache,target=/root/.cache/uv \
    uv build --wheel --require-hashes --build-constraints locks/dev.txt --out-dir /dist


FROM builder AS api-builder
COPY locks/api.txt locks/api.txt
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip sync --require-hashes --no-build locks/api.txt
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    uv pip install --no-cache --no-deps --no-index /dist/*.whl


FROM builder AS worker-builder
COPY locks/worker.txt locks/worker.txt
RUN --mount=type=cache,target=/root/.cache/uv \
    uv pip sync --require-hashes --no-build locks/worker.txt
RUN --mount=type=bind,from=wheel,source=/dist,target=/dist \
    uv pip install --no-cache --no-deps --no-index /dist/*.whl


FROM python AS runtime
LABEL org.opencontainers.image.title="model-transfer" \
      org.opencontainers.image.licenses="Apache-2.0"
# A new named volume takes over the owner of the folder it is mounted on.
RUN python -m pip uninstall --yes --root-user-action=ignore pip \
    && groupadd --gid 10001 model-transfer \
    && useradd --no-log-init --uid 10001 --gid model-transfer --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin model-transfer \
    && install --directory --owner=model-transfer --group=model-transfer --mode=0700 /data
ENV MODEL_TRANSFER_HOST=0.0.0.0 \
    MODEL_TRANSFER_PORT=8000 \
    MODEL_TRANSFER_DATA_DIR=/data
# Not /data: Celery puts the working folder on Python's path.
WORKDIR /opt
USER 10001:10001
VOLUME ["/data"]
ENTRYPOINT ["model-transfer"]


FROM runtime AS api
COPY --from=api-builder /opt/venv /opt/venv
EXPOSE 8000
STOPSIGNAL SIGTERM
# Liveness alone: an orchestrator that restarts what is unhealthy must not do so because Redis is away.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f\"http://127.0.0.1:{os.environ['MODEL_TRANSFER_PORT']}/healthz\", timeout=4)"]
CMD ["api"]


FROM runtime AS worker
COPY --from=worker-builder /opt/venv /opt/venv
# SIGTERM is Celery's warm shutdown: it asks running jobs at once to save a checkpoint and go back to the queue.
# SIGQUIT would sleep through the whole soft shutdown timeout first, and only then ask.
STOPSIGNAL SIGTERM
# The worker of this container answers a ping, also in the middle of a job.
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --start-interval=10s --retries=3 \
    CMD ["python", "-c", "import socket, sys; from workers.celery import app; sys.exit(not app.control.inspect(pattern=f'*@{socket.gethostname()}', matcher='glob', limit=1, timeout=10).ping())"]
CMD ["worker"]
