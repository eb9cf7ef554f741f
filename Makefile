# Everything is set up in .venv on first use and whenever the lock file or pyproject.toml changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test cluster-test check format podresources lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv with everything, hash-checked

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## a simulated data centre, from GPU readings to tickets, in under a minute
	$(BIN)/flopwatch demo

test: $(READY)  ## all tests
	$(BIN)/pytest --numprocesses=auto --dist=loadfile

cluster-test: $(READY)  ## the DaemonSet on a real kubelet: root, containerd, Go; builds Kubernetes once
	PYTHONPATH=tests $(BIN)/python -m cluster.binaries
	$(BIN)/pytest tests/cluster --capture=no --timeout=900 --durations=12 -p no:xdist

check: $(READY)  ## lint, types, import contracts, boards, wheel
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd dashboards && ../$(BIN)/mypy --config-file ../pyproject.toml .
	$(BIN)/lint-imports
	$(BIN)/python dashboards/boards.py --check
	rm -rf dist
	$(BIN)/python -m build --no-isolation --wheel --outdir dist . >/dev/null
	$(BIN)/check-wheel-contents dist/*.whl

format: $(READY)  ## put imports and layout in order
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/python dashboards/boards.py

podresources: $(READY)  ## write the kubelet's messages anew from collector/kubelet/podresources/api.proto
	$(BIN)/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. collector/kubelet/podresources/api.proto

lock: $(READY)  ## write requirements.lock and the locks of the images anew from pyproject.toml
	$(BIN)/pip-compile --quiet --all-extras --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
		--no-emit-trusted-host --no-emit-find-links --no-header --annotation-style=line \
		--output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --extra=collector --generate-hashes --strip-extras --no-emit-index-url \
		--no-emit-trusted-host --no-emit-find-links --no-header --annotation-style=line --constraint=requirements.lock \
		--output-file k8s/images/collector.lock pyproject.toml
	$(BIN)/pip-compile --quiet --extra=policy --generate-hashes --strip-extras --no-emit-index-url \
		--no-emit-trusted-host --no-emit-find-links --no-header --annotation-style=line --constraint=requirements.lock \
		--output-file k8s/images/centre.lock pyproject.toml

clean:  ## remove what the commands above made
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
