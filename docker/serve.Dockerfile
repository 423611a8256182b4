# Serves one exported model with ONNX Runtime, without TensorFlow.
#   docker build -f docker/serve.Dockerfile -t hpo-serve .
#   docker run --rm --read-only --cap-drop ALL -p 127.0.0.1:8000:8000 -e HPO_SERVE_TOKEN=... \
#     -v "$PWD/model.onnx:/models/model.onnx:ro" hpo-serve /models/model.onnx
# For .tflite files: --build-arg RUNTIME=ai-edge-litert
FROM python:3.11-slim-bookworm AS build

ARG RUNTIME=onnxruntime

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY data_pipeline data_pipeline
COPY models models
COPY studies studies
COPY hpo hpo
# Only what `hpo serve` and `hpo predict` import; tests/test_docker.py checks that it is enough.
RUN python -m venv /opt/hpo \
    && /opt/hpo/bin/pip install --constraint constraints.txt \
       click httptools numpy pillow pillow-heif psutil pydantic python-multipart rich starlette \
       uvicorn "${RUNTIME}" \
    && /opt/hpo/bin/pip install --no-deps . \
    && /opt/hpo/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm

COPY --from=build /opt/hpo /opt/hpo
RUN useradd --uid 1000 --no-create-home hpo
ENV PATH=/opt/hpo/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 1000
WORKDIR /models

EXPOSE 8000
HEALTHCHECK --start-period=10s CMD ["python", "-c", \
    "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
STOPSIGNAL SIGTERM
# Docker's port is on the container's own address; who may use it is said by `docker run -p` and by
# the token, without which it does not start.
ENTRYPOINT ["hpo", "serve", "--host", "0.0.0.0"]
CMD ["model.onnx"]
