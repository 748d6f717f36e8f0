# fastricks on CPUs: docker build -t fastricks . && docker run --rm -v "$PWD:/work" fastricks train --data PHOTOS
FROM python:3.13-slim

# torch and torchvision from one index, the CPU's: the default one brings gigabytes of CUDA
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu "torch>=2.10" "torchvision>=0.25"

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY fastricks ./fastricks
RUN pip install --no-cache-dir . && useradd --create-home --uid 1000 user

# loaders hand batches over in shared memory, of which a container has 64 MB: give docker run --shm-size=2g, or --workers 0
USER 1000
WORKDIR /work
ENTRYPOINT ["fastricks"]
CMD ["--help"]
