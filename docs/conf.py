"""How the documents are built: sphinx-build -W -b html docs build/docs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from jobreg import __version__  # the path must be there first

project = "jobreg"
author = "the jobreg authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"jobreg {release}"

# Words and states are lists of definitions.
myst_enable_extensions = ["deflist"]

# Headings are link targets, so that pages and the README can point at a section.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# jobreg.Run is defined in jobreg.client; readers know it by its public name.
add_module_names = False
