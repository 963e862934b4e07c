# `make help` lists the verbs. Everything runs in .venv, made from locks/dev.txt; nothing else is touched.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c $(SUITABLE) >/dev/null 2>&1 && echo "$$python" && break; done)
SUITABLE := 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'

# Where Python may write no compiled modules, each start would compile TensorFlow anew, for seven seconds.
COMPILED := $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)

# Processes that share the tests out among them; 0 runs them in one, which tells more when it stops.
PROCESSES ?= 2

BIN := .venv/bin
STAMP := .venv/installed
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(ARGS) pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-slow chaos lint lock benchmark

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r verb meaning; do printf '  make %-10s %s\n' "$$verb" "$$meaning"; done

setup: $(STAMP) ## make the environment in .venv

$(STAMP): pyproject.toml locks/dev.txt
	@$(if $(PYTHON),"$(PYTHON)" -c $(SUITABLE) 2>/dev/null,false) || { \
		echo "Expected a Python 3.11, 3.12 or 3.13 with the modules venv and ensurepip." \
			"Received: $(or $(PYTHON),none of python3 python3.13 python3.12 python3.11)." \
			"Install one (on Debian and Ubuntu also its package python3-venv)," \
			"or name it: make $(or $(firstword $(MAKECMDGOALS)),setup) PYTHON=/path/to/python3.12" >&2; \
		exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
	@sed -n '/^uv==/,/^ *#/p' locks/dev.txt > .venv/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
	$(BIN)/uv pip sync --quiet $(COMPILED) --python $(BIN)/python --require-hashes locks/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## run a real transfer from start to end; KIND=tabular, image, text or sequence
	@$(BIN)/python -m examples.demo $(KIND)

serve: $(STAMP) ## start API and worker on this machine; Ctrl-C stops them
	@$(BIN)/model-transfer serve $(ARGS)

# Each process would compile all of the tests anew, if Python may write no compiled modules.
test: $(STAMP) ## run the tests; ARGS='-k csv' chooses
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -m "not slow" --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

chaos: $(STAMP) ## kill processes at random for half an hour; ARGS='--kills 20 --jobs 8'
	$(BIN)/python -m tests.e2e.chaos $(ARGS)

test-slow: $(STAMP) ## run the tests that take minutes
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(STAMP) ## check style, types, import contracts, Dockerfile and docker-compose.yml
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	POSTGRES_PASSWORD=lint $(BIN)/docker-compose --env-file .env.example config --quiet

lock: $(STAMP) ## write locks/ from pyproject.toml; ARGS=--upgrade takes newer versions
	$(COMPILE) --extra worker --extra pretrained --extra s3 --group dev --output-file locks/dev.txt
	$(COMPILE) --constraints locks/dev.txt --extra s3 --output-file locks/api.txt
	$(COMPILE) --constraints locks/dev.txt --extra worker --extra pretrained --extra s3 --output-file locks/worker.txt

benchmark: $(STAMP) ## print the benchmarks, side by side with what they are compared to
	@$(BIN)/python -m benchmarks $(ARGS)
