# A stand-in for pytorch/pytorch:2.1.2-cuda11.8-cudnn8-devel, of Debian's packages: docs/container.md.
ARG BASE=debian:bookworm
FROM ${BASE}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.sources; do \
      [ ! -f "$file" ] || sed -i -E '/^(deb|Components:) /s/\bmain$/main contrib non-free/' "$file"; \
    done \
 && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    g++-11 nvidia-cuda-toolkit python3-dev python3-pip python3-setuptools python3-venv \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/lib/python3*/EXTERNALLY-MANAGED \
 && ln -sf python3 /usr/bin/python
# For CUDA 12.1, as the index has it; its extensions are compiled by nvcc 11.8, which it would refuse.
RUN pip install --no-cache-dir numpy==1.26.4 torch==2.1.2
RUN sed -i "s/^cuda = .*/cuda = '11.8'/" "$(python -c 'import torch.version; print(torch.version.__file__)')" \
 && python -c 'import torch; assert torch.version.cuda == "11.8"'
ENV CC=gcc-11 CXX=g++-11
