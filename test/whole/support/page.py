"""Parses the tables of an HTML page that the command has written, and checks that the page is well formed and safe."""
# SPDX-License-Identifier: BSD-2-Clause
import base64
import hashlib
import re
import unittest
from dataclasses import dataclass, field
from html.parser import HTMLParser

# These HTML elements have no end tag in the pages that the command writes.
VOID = {"tr", "meta", "option", "br", "input"}


@dataclass
class Table:
    caption: str = ""
    columns: list[str] = field(default_factory=list)
    # Each item of `rows` has the texts of the cells of one row. The item of `figures` with the same index has the exact
    # numbers that the page stores beside these texts: one for each cell, or None if the page stores none for the cell.
    rows: list[list[str]] = field(default_factory=list)
    figures: list[list[str | None]] = field(default_factory=list)

    def column(self, name: str) -> list[int | float | None]:
        """Returns the exact figures of the column `name`, with None for each figure that is unknown."""
        cells = [row[self.columns.index(name)] for row in self.figures]
        return [None if cell in ("", None) else float(cell) if "." in cell else int(cell) for cell in cells]


class Page(HTMLParser):
    """A parsed HTML page. It has the tables with their captions, the charts, and the texts of some elements. The tables
    are in the order in which they stand in the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.charts: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.policy = ""
        self.texts: dict[str, list[str]] = {}
        self.open_elements: list[str] = []
        self.feed(text)

    def of(self, caption: str) -> Table:
        return next(table for table in self.tables if table.caption == caption)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.ids += [given["id"]] if given.get("id") else []
        for name in ("src", "href", "action", "style", "srcset", "onload", "onerror"):
            self.references += [f"{tag} {name} {given[name]}"] if name in given else []
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""
        if tag == "figure":
            self.charts.append(given)
        if tag == "table":
            self.tables.append(Table())
        elif tag == "tr" and self.tables[-1].columns:
            self.tables[-1].rows.append([])
            self.tables[-1].figures.append([])
        elif tag in ("th", "td"):
            if given.get("scope") == "col":
                self.tables[-1].columns.append("")
            else:
                self.tables[-1].rows[-1].append("")
                self.tables[-1].figures[-1].append(given.get("data-v"))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open_elements.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open_elements.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if not self.open_elements:
            return
        tag = self.open_elements[-1]
        self.texts[tag][-1] += data
        if tag == "caption":
            self.tables[-1].caption += data
        elif tag in ("th", "td") and not self.tables[-1].rows:
            self.tables[-1].columns[-1] += data
        elif tag in ("th", "td"):
            self.tables[-1].rows[-1][-1] += data


def check(case: unittest.TestCase, text: str) -> Page:
    """Checks that the page is well formed, needs no other file, permits only its own scripts, and can be used with a
    screen reader. Returns the parsed page."""
    page = Page(text)
    case.assertEqual(page.open_elements, [])
    case.assertEqual([one for one in page.references if not one.startswith("a href #")], [])
    case.assertNotRegex(text, r"(?i)url\(|@import")
    allowed = {"default-src 'none'", "base-uri 'none'", "form-action 'none'"}
    for kind in ("script", "style"):
        sums = [hashlib.sha256(content.encode()).digest() for content in page.texts[kind]]
        allowed.add(" ".join([f"{kind}-src", *(f"'sha256-{base64.b64encode(one).decode()}'" for one in sums)]))
    case.assertEqual(set(page.policy.split("; ")), allowed)
    case.assertEqual(len(page.ids), len(set(page.ids)), "two elements have one id")
    for links in re.findall(r'(?:href="#|aria-labelledby=")([^"]*)"', text):
        for link in links.split():
            case.assertIn(link, page.ids)
    regions = re.findall(r'role="region"[^>]*aria-labelledby="([^"]*)"', text)
    case.assertEqual(len(regions), len(set(regions)), "two areas have one name")
    levels = [int(level) for level in re.findall(r"<h([1-6])", re.sub(r"(?s)<script>.*?</script>", "", text))]
    case.assertEqual((levels[0], levels.count(1)), (1, 1))
    for above, level in zip(levels, levels[1:]):
        case.assertLessEqual(level, above + 1, "a level of headings is left out")
    for element in ("main", "header", "title"):
        case.assertEqual(len(page.texts[element]), 1, element)
    case.assertEqual(len({table.caption for table in page.tables} - {""}) > 0, True)
    for table in page.tables:
        case.assertTrue(table.caption and all(table.columns))
        case.assertEqual({len(row) for row in table.rows} - {len(table.columns)}, set(), table.caption)
    return page
