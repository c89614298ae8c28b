"""Builds the documentation site from docs/, for any web server or none: it makes no requests to other hosts.

Usage: python -m scripts.site [FOLDER]. English pages go into FOLDER (build/site), Japanese ones into its folder ``ja``.
A broken link exits with 1.

Links between pages are adapted to the site; those to other files (source, tests) become plain text.
"""

import re
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
BESIDE: Final = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
}
"""Pages at the root of the repository, with their names on the site."""
_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")
_SECTION: Final = re.compile(r"^## (.+)\n((?:(?!## ).*\n?)*)", re.MULTILINE)
_STYLE: Final = {"font-stack": "Inter, system-ui, 'Hiragino Sans', 'Noto Sans CJK JP', sans-serif"}
OPTIONS: Final[Mapping[str, Any]] = {
    "project": "Jikko",
    "extensions": ["myst_parser"],
    "myst_heading_anchors": 6,
    "myst_linkify_fuzzy_links": False,
    "html_theme": "furo",
    "html_title": "Jikko",
    "html_theme_options": {"light_css_variables": _STYLE},
    "html_static_path": [str(DOCS / "site.css")],
    "html_css_files": ["site.css"],
    "html_search_scorer": str(DOCS / "site_search.js"),
    "html_copy_source": False,
    "html_show_sphinx": False,
    "html_show_copyright": False,
    # Blocks of output abbreviate with `…`, which their language lacks.
    "suppress_warnings": ["misc.highlighting_failure", "toc.not_included"],
}


def main(folder: Path) -> int:
    """Build both languages, replacing a site in the folder.

    Returns 1 if the folder contains anything else, or if a page has an error, such as a broken link.
    """
    if folder.exists() and not (folder / "objects.inv").is_file() and (not folder.is_dir() or any(folder.iterdir())):
        print(f"{folder} is not empty and has no site (no objects.inv). Name another, or remove it.", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    pages = [*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md"), *(ROOT / name for name in BESIDE)]
    english = _build(pages, DOCS, folder, "en")
    return english or _build(list(DOCS.glob("ja/*.md")), DOCS / "ja", folder / "ja", "ja")


def _build(pages: list[Path], home: Path, folder: Path, language: str) -> int:
    with tempfile.TemporaryDirectory() as made:
        sources = Path(made, "pages")
        for page in pages:
            copy = sources / _place(page, home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(_for_the_site(page, set(pages), home), encoding="utf-8")
        for picture in (path for pattern in ("*.png", "*.svg") for path in DOCS.glob(pattern)):
            shutil.copy2(picture, sources)
        options = {**OPTIONS, "language": language}
        with docutils_namespace():
            app = Sphinx(sources, None, folder, Path(made, "trees"), "html", options, status=None, warningiserror=True)
            app.build()
        return int(app.statuscode)


def _place(page: Path, home: Path) -> str:
    """Return a page's place below its site: ``README.md`` is its folder's index."""
    if page.parent == ROOT:
        return BESIDE[page.name]
    return str(page.relative_to(home)).replace("README.md", "index.md")


def _for_the_site(page: Path, pages: set[Path], home: Path) -> str:
    text = page.read_text(encoding="utf-8")
    if page == home / "README.md":
        text = _SECTION.sub(_with_contents, text)

    def leading(link: re.Match[str]) -> str:
        mark, words, target = link.groups()
        name, _, anchor = target.partition("#")
        if "://" in target or not name:
            return link[0]
        found = (page.parent / name).resolve()
        here = PurePosixPath(_place(page, home)).parent
        back = "../" * len(here.parts)
        anchor = anchor and f"#{anchor}"
        if mark:
            return f"![{words}]({back}{found.name})"
        if found in pages:
            return f"[{words}]({back}{_place(found, home)}{anchor})"
        if found.suffix == ".md" and found.is_relative_to(DOCS):
            # A page of the other language.
            way = "../" if home != DOCS else back
            place = _place(found, DOCS).replace(".md", ".html")
            return f'<a href="{way}{place}{anchor}">{words}</a>'
        return words

    return _LINK.sub(leading, text)


def _with_contents(section: re.Match[str]) -> str:
    """Return a section of an index, whose pages become the navigation below its heading."""
    names = dict.fromkeys(re.findall(r"\]\(((?:\w+/)?[\w-]+)\.md\)", section[2]))
    listed = "\n".join(name.replace("README", "index") for name in names)
    return f"{section[0]}\n```{{toctree}}\n:hidden:\n:caption: {section[1]}\n\n{listed}\n```\n\n"


if __name__ == "__main__":
    wanted = ArgumentParser("python -m scripts.site", description=__doc__.partition("\n")[0])
    wanted.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "site")
    sys.exit(main(wanted.parse_args().folder))
