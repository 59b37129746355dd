# One image: a node, the terminal client and the one-shot service that makes the secret.
# Read by the legacy builder too, so no RUN --mount and no COPY --chmod.
FROM python:3.13-slim

# A number, so that it means the same whatever users the base image has.
RUN groupadd --gid 10001 like && useradd --uid 10001 --gid like --no-create-home --home-dir /data like \
    && mkdir /data /secret && chown like:like /data /secret && chmod 700 /data /secret

WORKDIR /srv/like
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
    --require-hashes -r requirements.txt
COPY app app
COPY cluster cluster
COPY cli cli
# The root file system is read-only later: compile now what Python would compile at its first start.
RUN python -m compileall -q app cluster cli

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LIKE_HOST=0.0.0.0 \
    LIKE_PORT=8080 \
    LIKE_CLUSTER_HOST=0.0.0.0 \
    LIKE_CLUSTER_PORT=9000 \
    LIKE_DATA_DIR=/data
USER 10001:10001
EXPOSE 8080 9000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['LIKE_PORT'] + '/readyz', timeout=2)"]
CMD ["python", "-m", "app"]
