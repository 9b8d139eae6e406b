"""Settings of Sphinx for the site of ``make docs``; ``stage.py`` lays out the pages that it reads."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the extension mathml, whoever starts Sphinx

project = "eqlab"
author = "the authors of eqlab"
release = version = installed("eqlab")
root_doc = "docs/index"
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "mathml"]
exclude_patterns = ["docs/site"]

myst_enable_extensions = ["colon_fence", "dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 4
myst_fence_as_directive = ["eval-rst"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"
# Methods that scikit-learn makes for estimators, whose texts refer to places in its own manual.
autodoc_default_options = {
    "exclude-members": "set_fit_request, set_partial_fit_request, set_predict_request, set_score_request, set_transform_request"
}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "furo"
html_title = f"eqlab {release}"
html_math_renderer = "mathml"
html_extra_path = ["index.html"]
html_copy_source = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["manual.css"]
smartquotes = False  # options begin with two hyphens
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "native"
