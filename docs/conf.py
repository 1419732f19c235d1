"""Sphinx: guides, API pages from the docstrings, the scenario reference, and two notebooks that run when built."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])  # for the notebooks

from ntnsim import __version__  # noqa: E402

project = "ntnsim"
copyright = "the ntnsim authors"
author = "the ntnsim authors"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode", "myst_nb"]
exclude_patterns = ["_build", "jupyter_execute", "**/.ipynb_checkpoints"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True

default_role = "code"  # docstrings write names between single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True

html_theme = "pydata_sphinx_theme"
html_title = f"ntnsim {__version__}"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
html_show_sourcelink = False

ENTRY = re.compile(r"^(\*{0,2}[A-Za-z_][\w*,. ]*): (.*)$")


def entries_as_list(app, what, name, obj, options, lines):
    """Turn a docstring's paragraphs of ``name: meaning`` lines into lists."""
    paragraphs, paragraph = [], []
    for line in [*lines, ""]:
        if line.strip():
            paragraph.append(line)
            continue
        paragraphs.append(paragraph)
        paragraph = []
    made = []
    for paragraph in paragraphs:
        heads = [line for line in paragraph if not line.startswith(" ")]
        if heads and all(ENTRY.match(line) for line in heads) and not paragraph[0].startswith(" "):
            for line in paragraph:
                match = ENTRY.match(line)
                made.append(f"* ``{match[1].strip('*')}``: {match[2]}" if match else f"  {line.strip()}")
        else:
            made += paragraph
        made.append("")
    lines[:] = made


def setup(app):
    app.connect("autodoc-process-docstring", entries_as_list)
