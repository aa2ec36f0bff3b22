"""What pyproject.toml cannot say.

Packages are found, and the experiments, which lie beside them, are one of them. On PyPI the README stands alone: a link
to a file of the checkout becomes the file's name, a picture its description.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

LINK = re.compile(r"(!?)\[([^][]*)\]\((?!https?://|#)[^)]*\)")


def portable(text: str) -> str:
    return LINK.sub(lambda link: f"*{link[2]}*" if link[1] else link[2], text)


setup(
    packages=[*find_packages(include=["glorot", "glorot.*"]), "glorot.experiments"],
    long_description=portable(Path("README.md").read_text("utf-8")),
    long_description_content_type="text/markdown",
)
