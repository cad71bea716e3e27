# `make demo` and `make test` do everything from nothing; both need Python 3.11 or newer and create .venv themselves.

PYTHON ?= python3
BIN := .venv/bin
# The specs whose compiled files are checked in: those that come to fewer than 400 lines.
COMPILED := $(wildcard $(foreach folder,spec examples,$(patsubst generated/%.py,$(folder)/%.net,$(wildcard generated/*.py))))
# The placements of the flagship that are checked in beside it.
PLACED := spec/alexnet.net $(patsubst %,--placement %,two_gpus one_weird_trick pod)
# The pictures of networks in docs/, which are named as their specs.
PICTURES := $(basename $(notdir $(wildcard docs/pictures/*.svg)))
STANDALONE := spec/alexnet.net --standalone -o generated/standalone
DEMO := runs/demo-$(shell date +%Y%m%d-%H%M%S)

# Each process is given one core: threads that share cores wait for one another. Python keeps what it has compiled, also where
# the environment says not to: hundreds of processes start.
SIDE_BY_SIDE := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
PROCESSES := --numprocesses auto --maxprocesses 8 --dist worksteal

# Tests of what depends on the operating system: files, processes, commands.
PORTABLE := tests/test_systems.py \
	$(patsubst %,tests/data/test_%.py,batch_loader folder_lock folder_names image_folder imagenet_archives label_file \
		leftovers packed_sources prepare prepare_for store worker_pool workers) \
	$(patsubst %,tests/training/test_%.py,checkpoint metrics run_folder train_options training training_faults) \
	$(patsubst %,tests/cli/test_%.py,command_line doctor failures inspect new_and_examples)

.PHONY: demo test quick portable lint generated docs clean

# AlexNet for a few steps at full size, then a small network until it has learned, on images that alexc draws itself.
demo: .venv/installed
	$(BIN)/alexc summary
	$(BIN)/alexc compile spec/alexnet.net
	$(BIN)/alexc train generated/alexnet.py --batch 32 --steps 6 --out $(DEMO)/alexnet
	$(BIN)/alexc compile examples/small.net
	$(BIN)/alexc train generated/small.py --epochs 20 --out $(DEMO)/small
	$(BIN)/alexc evaluate $(DEMO)/small
	@echo
	@echo "Plot:        $(DEMO)/small/curves.png"
	@echo "Checkpoint:  $(DEMO)/small/best.pt"
	@echo "Metrics:     $(DEMO)/small/metrics.jsonl"
	@echo "Next:        $(BIN)/alexc predict $(DEMO)/small IMAGE"

test: .venv/installed
	$(SIDE_BY_SIDE) $(BIN)/pytest $(PROCESSES)

# All but what is marked slow.
quick: .venv/installed
	$(SIDE_BY_SIDE) $(BIN)/pytest $(PROCESSES) -m "not slow"

# The quick tests, and the types, of a system as Windows is: see tests/support/as_on_windows/sitecustomize.py.
portable: .venv/installed
	PYTHONPATH=tests/support/as_on_windows $(SIDE_BY_SIDE) $(BIN)/pytest $(PROCESSES) -m "not slow and not posix" $(PORTABLE)
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 alexc

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/alexc fmt --check spec/*.net examples/*.net examples/*/*.net
	$(BIN)/alexc check spec/*.net examples/*.net examples/*/*.net
	$(BIN)/alexc compile --check $(COMPILED)
	$(BIN)/alexc compile --check $(PLACED)
	$(BIN)/alexc compile --check $(STANDALONE)

generated: .venv/installed
	$(BIN)/alexc compile $(COMPILED)
	$(BIN)/alexc compile $(PLACED)
	$(BIN)/alexc compile $(STANDALONE)
	$(BIN)/python -m tools.language_reference
	$(BIN)/python -m tools.textmate_grammar
	$(BIN)/python -m tools.vim_syntax
	$(BIN)/python -m tools.docs_output
	@for name in $(PICTURES); do \
		$(BIN)/alexc draw $$(ls -d spec/*.net examples/*.net examples/*/*.net | grep "/$$name.net") -o docs/pictures/$$name.svg || exit 1; \
	done

# The documentation as a site, in build/site/html/. A broken link ends it with an error.
docs: .venv/installed
	$(BIN)/python -m tools.docs_site

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "alexc needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
