# Two commands for a newcomer: `make demo` goes from examples/documents to a verdict, `make test` checks all.
# Both make .venv first; nothing else on the machine is touched, but for the cache of models.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
DEMO_MODEL ?= smollm2-135m
# Few rows and steps, so that it ends in minutes on two cores: enough for the house's words.
DEMO_ROWS := --set dataset.max_rows=100 --set dataset.grounded=0.2 --set dataset.queries=0
DEMO_STEPS := --method lora --set training.max_steps=45
DEMO_COMPARE := --questions examples/compare.jsonl --no-controls --set model.max_tokens=64
PIP := $(BIN)/python -m pip --disable-pip-version-check
TEST_MODELS := all-MiniLM-L6-v2 smollm2-135m qwen2.5-coder-0.5b
TORCH_INDEX := https://download.pytorch.org/whl/cpu
TORCH := torch==2.13.0
OPENAI_JS := 6.49.0

.NOTPARALLEL:
.PHONY: demo test lint types layers tests models docs clean

SAY = @echo; echo '$$ loresmith $(1)'
ASK = $(call SAY,ask "$(1)"); $(BIN)/loresmith ask -w $(DEMO) "$(1)"

# Documents in, questions asked, an adapter trained, four arms compared, a verdict. Each step finds what
# is there already, so `make demo` again goes on where it was stopped.
demo: $(VENV)/.torch
	@test -f $(DEMO)/loresmith.toml || \
	  $(BIN)/loresmith init $(DEMO) --from examples/documents --model $(DEMO_MODEL)
	$(call SAY,sync); $(BIN)/loresmith sync -w $(DEMO)
	$(call ASK,Which torque for the M8 flange bolts of the P-200?)
	$(call ASK,How long may the P-200 run dry at most?)
	$(call ASK,Which torque do the M20 bolts of the P-200 need?) || test $$? -eq 3
	$(call ASK,Which jobs took longer than 200 minutes?)
	$(call SAY,dataset import examples/house-words.jsonl)
	@$(BIN)/loresmith dataset import examples/house-words.jsonl -w $(DEMO)
	$(call SAY,dataset build $(DEMO_ROWS)); $(BIN)/loresmith dataset build -w $(DEMO) $(DEMO_ROWS)
	@if ! $(BIN)/python -c 'import torch' 2>/dev/null; then \
	  echo "Without torch nothing is trained: base and rag are compared alone."; \
	elif ls $(DEMO)/.loresmith/adapters/*/checkpoint/run.json >/dev/null 2>&1; then \
	  echo; echo '$$ loresmith train --resume'; $(BIN)/loresmith train -w $(DEMO) --resume; \
	else \
	  echo; echo '$$ loresmith train $(DEMO_STEPS)'; $(BIN)/loresmith train -w $(DEMO) $(DEMO_STEPS); fi
	$(call SAY,compare $(DEMO_COMPARE)); $(BIN)/loresmith compare -w $(DEMO) $(DEMO_COMPARE) --yes
	@echo; echo 'Ask your own: $(BIN)/loresmith ask -w $(DEMO) "…"'

test: $(VENV)/.tested models lint types layers tests

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.tested
	$(BIN)/mypy

layers: $(VENV)/.tested
	$(BIN)/lint-imports

# A file's tests stay in one process: they share the models that they load.
tests: $(VENV)/.clients
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile

# The generated parts of docs/: the help texts.
docs: $(VENV)/.tested
	$(BIN)/python -m tests.generated_docs

models: $(VENV)/.installed
	@for name in $(TEST_MODELS); do \
	  $(BIN)/loresmith models get $$name || echo "The tests that need $$name will be skipped."; done

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Loresmith needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  rm -rf $(VENV); echo "No virtual environment could be made. On Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: $(BIN)/python pyproject.toml
	@echo "Installing Loresmith into $(VENV) (0.9 GB on disk, no CUDA) …"
	@$(PIP) install --quiet --editable .
	@touch $@

# torch is for training and for the tests, and only its CPU build: the default one on Linux brings
# gigabytes of CUDA. Where neither pytorch.org nor a mirror has it, both do without.
$(VENV)/.torch: $(VENV)/.installed
	@echo "Installing what trains (torch for the CPU, transformers, PEFT; 1.3 GB on disk) …"
	@index=; $(BIN)/python -c 'import urllib.request as u; u.urlopen("$(TORCH_INDEX)/torch/", timeout=8)' \
	  2>/dev/null && index="--extra-index-url $(TORCH_INDEX)"; \
	local=; test "$$(uname -s)" = Linux && local=+cpu; \
	$(PIP) install --quiet $$index "$(TORCH)$$local" transformers accelerate peft bitsandbytes gguf matplotlib || \
	  echo "No CPU build of $(TORCH) within reach: nothing is trained, and the tests of training are skipped."
	@touch $@

$(VENV)/.tested: $(VENV)/.torch
	@$(PIP) install --quiet "pip>=25.1"
	@$(PIP) install --quiet --group test
	@touch $@

# LangChain, LlamaIndex and OpenAI's client for JavaScript call the server in its tests. They want other
# versions than the product, so they live apart; where they cannot be had, those tests are skipped.
$(VENV)/.clients: $(VENV)/.tested
	@echo "Installing the clients that the server is tested with (0.3 GB on disk) …"
	@$(PYTHON) -m venv $(VENV)/clients && $(VENV)/clients/bin/python -m pip --disable-pip-version-check install \
	  --quiet langchain-openai llama-index-llms-openai-like llama-index-embeddings-openai || \
	  echo "The tests of LangChain and LlamaIndex are skipped."
	@mkdir -p $(VENV)/clients/node_modules && $(BIN)/python -m tests.npm openai $(OPENAI_JS) \
	  $(VENV)/clients/node_modules || echo "The test of OpenAI's client for JavaScript is skipped."
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO) build dist
