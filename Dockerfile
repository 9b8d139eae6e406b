# Image with eqlab, which runs the demo: docker build -t eqlab . && docker run --rm -v "$PWD/runs:/work/runs" eqlab
# Another command: docker run --rm -v "$PWD/runs:/work/runs" eqlab eqlab train --hidden 32 --epochs 5
FROM python:3.11-slim

# pip reads its indexes from these, for example the one of torch without CUDA: docker build --build-arg PIP_EXTRA_INDEX_URL=ADDRESS .
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL

COPY setup.cfg pyproject.toml README.md LICENSE constraints.txt /source/
COPY contrastive_core /source/contrastive_core
COPY eqprop /source/eqprop
COPY hebbian /source/hebbian
COPY experiments /source/experiments
COPY eqlab /source/eqlab
RUN pip install --no-cache-dir --constraint /source/constraints.txt /source && rm -r /source

WORKDIR /work
CMD ["sh", "-c", "eqlab gradients --out runs/demo-gradients && eqlab compare --out runs/demo"]
