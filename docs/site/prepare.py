#!/usr/bin/env python3
"""Copies documents and headers as Doxygen 1.9 wants them, line by line: prepare.py PROJECT OUT.

Headings get the names by which the documents refer to them, headers the group of their folder, and the
namespace that tells instruction sets apart is left out.
"""
import re
import shutil
import sys
from pathlib import Path

ISA = r"retrace::inline RETRACE_ISA((?:::\w+)?)"


def label(page, heading=""):
    """The name of a page, or of a heading in it, in all of the site."""
    slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
    return f"{page}_{slug}" if slug else f"page_{page}"


def document(text, page):
    lines, code = [], False
    for line in text.splitlines():
        code ^= line.startswith("```")
        if line == "```output":
            line = "```text"
        elif page == "index" and (entry := re.match(r"- \[[^]]+\]\([\w/]*?(\w+)\.md\)(?:: (.*))?", line)):  # orders the pages
            line = f"- @subpage {label(entry[1])}" + (f" – {entry[2]}" if entry[2] else "")
        elif not code:
            line = re.sub(r"\]\((?:[\w./]*?(\w+)\.md)?(?:#([\w-]+))?\)",
                          lambda link: f"](@ref {label(link[1] or page, link[2] or '')})", line)
            if line.startswith("# "):
                line += f" {{#{label(page)}}}"
            elif heading := re.match(r"##+ (.*)", line):
                line += f" {{#{label(page, heading[1])}}}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def opening(groups):
    """The end of the opening page: the groups of headers, each with its sentence."""
    entries = re.findall(r"@defgroup (\w+) ([^\n]*)\n \*  (.*?)(?:\n \*  @ingroup (\w+))? \*/", groups, re.DOTALL)
    lines = ["", "## Headers by folder", "", "| folder | contents |", "|---|---|"]
    for name, title, sentence, _ in entries:
        folder, contents = title.split(": ", 1)
        sentence = re.sub(r"\s*\n \*  ", " ", sentence)
        lines.append(f"| @ref {name} \"{folder}\" | **{contents[0].upper()}{contents[1:]}.** {sentence} |")
    return "\n".join(lines) + "\n"


def header(text, group):
    text = re.sub(rf"^namespace {ISA} {{$", rf"namespace retrace\1 {{ /** @addtogroup {group} */ /** @{{ */", text, flags=re.MULTILINE)
    text = text.replace("et al. ", r"et al.\ ")  # is not the end of a sentence
    return re.sub(rf"^}}  // namespace {ISA}$", "/** @} */ }", text, flags=re.MULTILINE)


def main():
    project, out = map(Path, sys.argv[1:])
    shutil.rmtree(out, ignore_errors=True)
    for path in [project / "README.md", *(project / "docs").rglob("*.md"), *(project / "include").rglob("*.hpp")]:
        copy = out / path.relative_to(project)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text()
        copy.write_text(document(text, path.stem) if path.suffix == ".md" else header(text, path.parent.name))
    groups = project / "docs" / "site" / "groups.dox"
    shutil.copy(groups, out)
    with (out / "README.md").open("a") as opening_page:
        opening_page.write(opening(groups.read_text()))


if __name__ == "__main__":
    main()
