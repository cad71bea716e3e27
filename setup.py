"""Checks the checkout and adapts the README for a package index; pyproject.toml has everything else."""

import re
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
LINKS = ("compiler", "examples", "importers", "language_server", "runtime", "spec")

# The web address of the repository, such as "https://github.com/OWNER/NAME". It is empty while there is none.
REPOSITORY = ""


def require_links() -> None:
    """Exit with a message if git has checked out the links in alexc/ as text files."""
    broken = [name for name in LINKS if not (ROOT / "alexc" / name).is_dir()]
    if broken:
        raise SystemExit(
            f"alexc/{broken[0]} is not a link to the folder {broken[0]}/: git has checked it out as a text file.\n"
            "On Windows, turn on Developer Mode and run in this folder:\n"
            "    git config core.symlinks true\n"
            "    git checkout -- alexc"
        )


def index_readme(text: str, repository: str) -> str:
    """README.md for a page that cannot see the repository's files.

    Images and links get full addresses. Without an address, links become plain text and images are left out.
    """
    image, link = r"!\[([^]]*)\]\((?!https?:)([^)]*)\)", r"(?<!!)\[([^]]*)\]\((?!https?:|#)([^)]*)\)"
    if not repository:
        return re.sub(link, r"\1", re.sub(rf"{image}\n+", "", text))
    text = re.sub(image, rf"![\1]({repository}/raw/main/\2)", text)
    return re.sub(link, rf"[\1]({repository}/blob/main/\2)", text)


if __name__ == "__main__":
    require_links()
    readme = index_readme((ROOT / "README.md").read_text(encoding="utf-8"), REPOSITORY)
    setup(long_description=readme, long_description_content_type="text/markdown")
