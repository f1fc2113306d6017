# One way in. `make help` lists what there is; each target is a line or two of what you could type yourself.
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

setup: ## install what is missing and make .venv
	./lab/setup.sh

demo: ## the main job on a real fleet: a good update, a bad one, a pulled one
	./lab/demo

test: ## everything that CI runs, with all it needs
	./tests/run

check: ## linters and types only
	./tests/run --checks-only

crash: ## the crash matrix: every fault at every point, simulated, at system calls and on real gateways
	$(PYTHON) -m tests.crash

docs: ## write docs/reference/ anew from the code
	$(PYTHON) -m tools.reference

soak: ## trouble at random moments under real Docker: make soak MINUTES=5 [SEED=n]
	$(PYTHON) -m tests.crash.real.soak --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

fuzz: ## odd bytes at every way in: make fuzz SECONDS=600 [SEED=n]
	$(PYTHON) -m tests.fuzz run --seconds $(or $(SECONDS),120) $(if $(SEED),--seed $(SEED))

bench: ## measure, as ratios against what you would use instead
	$(PYTHON) -m bench

up: ## start the lab
	./lab/lab up

down: ## stop the lab and remove what it made
	./lab/lab down

.PHONY: help setup demo test check crash docs soak fuzz bench up down
